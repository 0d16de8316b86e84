-- name: lock_rows_to_move
-- The shelf rows that movements name, as far as there are any, locked in order of key.
SELECT s.store_no, s.sku_no, s.on_hand, s.reserved, s.as_of, s.moved_at, s.withheld, s.withheld_until
FROM unnest($2::bigint[], $3::bigint[]) AS u (store_no, sku_no)
JOIN shelves s ON s.store_no = u.store_no AND s.sku_no = u.sku_no
WHERE s.cell = $1
ORDER BY s.store_no, s.sku_no
FOR NO KEY UPDATE OF s

-- name: movements_by_id
-- Movements that are written down already.
SELECT m.store_no, m.movement_id, m.sku_no, m.delta, m.reported, m.at, m.reason, m.client, m.order_id
FROM unnest($2::bigint[], $3::text[]) AS u (store_no, movement_id)
JOIN movements m ON m.store_no = u.store_no AND m.movement_id = u.movement_id
WHERE m.cell = $1

-- name: reservations_of_orders
-- What these stores hold for the orders of these ids, whoever has placed them.
SELECT r.store_no, r.client, r.order_id, r.order_cell, r.sku_no, r.quantity
FROM unnest($2::bigint[], $3::text[]) AS u (store_no, order_id)
JOIN reservations r ON r.store_no = u.store_no AND r.order_id = u.order_id
WHERE r.cell = $1

-- name: movements_of_orders
-- What has gone from these stores for the orders of these ids, what has come back, and what their tills told of it.
SELECT m.store_no, m.client, m.order_id, m.sku_no,
       coalesce(-sum(m.delta) FILTER (WHERE m.delta < 0), 0)::bigint AS gone,
       coalesce(sum(m.delta) FILTER (WHERE m.delta > 0), 0)::bigint AS back,
       coalesce(-sum(m.reported) FILTER (WHERE m.reported < 0), 0)::bigint AS sold,
       coalesce(sum(m.reported) FILTER (WHERE m.reported > 0), 0)::bigint AS returned
FROM unnest($2::bigint[], $3::text[]) AS u (store_no, order_id)
JOIN movements m ON m.store_no = u.store_no AND m.order_id = u.order_id
WHERE m.cell = $1 AND m.client IS NOT NULL
GROUP BY m.store_no, m.client, m.order_id, m.sku_no

-- name: put_moved_rows
-- What shelf rows come to by movements. A row that is new has never been counted, or not since the whole shelf was.
INSERT INTO shelves (cell, store_no, sku_no, on_hand, reserved, as_of, moved_at, withheld, withheld_until)
SELECT $1::bigint, u.*
FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::integer[], $6::timestamptz[], $7::timestamptz[], $8::integer[],
            $9::timestamptz[]) AS u (store_no, sku_no)
ORDER BY u.store_no, u.sku_no
ON CONFLICT (cell, store_no, sku_no) DO UPDATE SET
    on_hand = excluded.on_hand, reserved = excluded.reserved, as_of = excluded.as_of, moved_at = excluded.moved_at,
    withheld = excluded.withheld, withheld_until = excluded.withheld_until

-- name: add_movements
-- Writes movements down; one array a column.
INSERT INTO movements (cell, store_no, movement_id, sku_no, delta, reported, at, reason, client, order_id, written_at)
SELECT $1::bigint, u.*, now()
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::integer[], $6::integer[], $7::timestamptz[], $8::text[],
            $9::text[], $10::text[]) AS u

-- name: end_reservations
-- Reservations of which the till has sold all; one array a column.
DELETE FROM reservations r
USING unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    AS u (store_no, client, order_id, order_cell, sku_no)
WHERE r.cell = $1 AND r.store_no = u.store_no AND r.client = u.client AND r.order_id = u.order_id
  AND r.order_cell = u.order_cell AND r.sku_no = u.sku_no

-- name: shrink_reservations
-- Reservations of which the till has sold a part; $7: what is left of each.
UPDATE reservations r SET quantity = u.quantity
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::integer[])
    AS u (store_no, client, order_id, order_cell, sku_no, quantity)
WHERE r.cell = $1 AND r.store_no = u.store_no AND r.client = u.client AND r.order_id = u.order_id
  AND r.order_cell = u.order_cell AND r.sku_no = u.sku_no

-- name: forget_movements
-- Drops movements of a cell that are older than $2, at most $3 of them; not one that was told of late, for it may be
-- sent again.
DELETE FROM movements
WHERE cell = $1 AND (store_no, movement_id) IN (
    SELECT m.store_no, m.movement_id FROM movements m
    WHERE m.cell = $1 AND m.at < now() - $2::interval AND m.written_at < now() - $2::interval ORDER BY m.at LIMIT $3)
