-- name: write_orders
-- New orders of a cell, and changes of those that are there, each on its own; see the function.
SELECT * FROM write_orders($1, $2, $3, $4, $5, $6, $7, $8)

-- name: find_orders
-- Every order of these clients' ids, wherever it lies.
SELECT o.* FROM unnest($1::text[], $2::text[]) AS u (client, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM orders_now n WHERE n.client = u.client AND n.order_id = u.order_id
    OFFSET 0) AS o  -- so that each is looked up by index, whatever the planner knows of the table

-- name: read_orders
-- These orders of one cell.
SELECT o.* FROM unnest($2::text[], $3::text[]) AS u (client, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM orders_now n WHERE n.cell = $1 AND n.client = u.client AND n.order_id = u.order_id
    OFFSET 0) AS o

-- name: await_order
-- Returns once nobody is writing this order any more.
SELECT FROM orders WHERE cell = $1 AND client = $2 AND order_id = $3 FOR SHARE

-- name: list_orders
-- Orders, newest first, since $2 and after a position ($3, $4, $5: created_at, client, order_id). $1: of that status.
SELECT * FROM orders_now
WHERE ($1::text IS NULL OR status = $1) AND created_at >= $2
  AND (created_at, client, order_id) < ($3::timestamptz, $4::text, $5::text)
ORDER BY created_at DESC, client DESC, order_id DESC
LIMIT $6

-- name: list_orders_of_store
-- As list_orders, of the store $7.
SELECT * FROM orders_now
WHERE store_no = $7 AND ($1::text IS NULL OR status = $1) AND created_at >= $2
  AND (created_at, client, order_id) < ($3::timestamptz, $4::text, $5::text)
ORDER BY created_at DESC, client DESC, order_id DESC
LIMIT $6

-- name: open_orders_of_store
-- What a store has not yet handed over.
SELECT * FROM orders_now
WHERE store_no = $1 AND status IN ('held', 'confirmed', 'accepted', 'ready')
ORDER BY created_at, client, order_id

-- name: due_orders
-- Holds that have run out, or orders that nobody has accepted in time ($2: held | confirmed), at random, so that several
-- who look at once do not all take the same.
SELECT * FROM (
    SELECT * FROM orders_now WHERE due_at <= now() AND written_status = $2 ORDER BY due_at LIMIT 8 * $1
) AS due ORDER BY random() LIMIT $1

-- name: expired_holds_at
-- Holds that have run out on stores of these cells, but whose goods are not free yet.
SELECT * FROM orders_now
WHERE due_at <= now() AND written_status = 'held' AND store_cell = ANY ($1::bigint[])
ORDER BY due_at LIMIT $2

-- name: short_orders
-- Orders that a count has left too little for, which is not written down with them yet.
SELECT DISTINCT order_cell, client, order_id FROM reservations WHERE short LIMIT $1

-- name: short_lines
-- Which lines of an order are short at its store.
SELECT k.sku, r.quantity FROM reservations r JOIN skus k USING (sku_no)
WHERE r.cell = $1 AND r.store_no = $2 AND r.client = $3 AND r.order_id = $4 AND r.order_cell = $5 AND r.short
ORDER BY k.sku

-- name: events_of_order
-- What has happened to an order, in order.
SELECT cell, client, order_id, seq, head_seq, at, event, status, attempt, store_id, detail FROM order_events
WHERE cell = $1 AND client = $2 AND order_id = $3
ORDER BY seq

-- name: events_after
-- What has happened to orders of a cell after change $2 of it, whole changes, at least $3 events if there are so many.
SELECT cell, client, order_id, seq, head_seq, at, event, status, attempt, store_id, detail FROM order_events
WHERE cell = $1 AND head_seq > $2 AND head_seq <= coalesce(
    (SELECT e.head_seq FROM order_events e WHERE e.cell = $1 AND e.head_seq > $2 ORDER BY e.head_seq OFFSET $3 - 1 LIMIT 1),
    9223372036854775807)
ORDER BY head_seq, client, order_id, seq

-- name: events_after_end
-- The last change of a cell among the first $3 events after change $2 of it; null if there are fewer.
SELECT head_seq FROM order_events WHERE cell = $1 AND head_seq > $2 ORDER BY head_seq OFFSET $3 - 1 LIMIT 1

-- name: events_after_of_store
-- As events_after, up to and with change $3, of those that concern the store $4: here, or taken away from here. At least
-- $5 of them, if there are so many.
WITH found AS (
    SELECT cell, client, order_id, seq, head_seq, at, event, status, attempt, store_id, detail FROM order_events
    WHERE cell = $1 AND head_seq > $2 AND head_seq <= $3
      AND (store_id = $4 OR CASE WHEN event = 'reassigned' THEN detail::jsonb ->> 'from_store_id' = $4 END)
)
SELECT * FROM found
WHERE head_seq <= coalesce((SELECT f.head_seq FROM found f ORDER BY f.head_seq OFFSET $5 - 1 LIMIT 1), $3)
ORDER BY head_seq, client, order_id, seq

-- name: events_of_id
-- What has happened to every order of an id, wherever it lies.
SELECT e.cell, e.client, e.order_id, e.seq, e.head_seq, e.at, e.event, e.status, e.attempt, e.store_id, e.detail
FROM orders o JOIN order_events e ON e.cell = o.cell AND e.client = o.client AND e.order_id = o.order_id
WHERE o.client = $1 AND o.order_id = $2
ORDER BY e.cell, e.head_seq, e.seq
