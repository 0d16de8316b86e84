-- name: count_orders
-- How many orders there are, and how many of them are open at their stores.
SELECT count(*) AS orders, count(*) FILTER (WHERE status IN ('held', 'confirmed', 'accepted')) AS open_orders FROM orders

-- name: wrong_reserved
-- Shelf rows of which not just as much is reserved as open orders hold of them; at most $1.
SELECT coalesce(t.store_id, 'number ' || store_no) AS store_id, coalesce(k.sku, 'number ' || sku_no) AS sku,
       coalesce(s.reserved, 0) AS reserved, coalesce(r.quantity, 0) AS held
FROM (SELECT cell, store_no, sku_no, reserved::bigint FROM shelves WHERE reserved <> 0) AS s
FULL JOIN (SELECT cell, store_no, sku_no, sum(quantity) AS quantity FROM reservations GROUP BY cell, store_no, sku_no) AS r
    USING (cell, store_no, sku_no)
LEFT JOIN stores t USING (cell, store_no)
LEFT JOIN skus k USING (sku_no)
WHERE s.reserved IS DISTINCT FROM r.quantity
ORDER BY store_id, sku
LIMIT $1

-- name: wrong_open_orders
-- Stores whose counter of open orders is not the number of them; at most $1. A hold that has run out and is not freed
-- yet still counts.
SELECT s.store_id, s.open_orders AS counted, coalesce(o.there, 0) AS there
FROM stores s
LEFT JOIN (
    SELECT store_cell AS cell, store_no, count(*) AS there FROM orders
    WHERE status IN ('held', 'confirmed', 'accepted') GROUP BY store_cell, store_no
) AS o USING (cell, store_no)
WHERE s.open_orders <> coalesce(o.there, 0)
ORDER BY s.store_id
LIMIT $1

-- name: wrong_events
-- Orders whose events are not numbered from 1 to the order's revision, and events without their order; at most $1.
SELECT client, order_id, coalesce(o.revision, 0) AS revision, coalesce(e.events, 0) AS events,
       coalesce(e.newest, 0) AS newest
FROM orders o
FULL JOIN (
    SELECT cell, client, order_id, count(*) AS events, max(seq) AS newest FROM order_events
    GROUP BY cell, client, order_id
) AS e USING (cell, client, order_id)
WHERE o.revision IS DISTINCT FROM e.events OR o.revision IS DISTINCT FROM e.newest
ORDER BY client, order_id
LIMIT $1

-- name: server_settings
-- What the server is set to.
SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])

-- name: wrong_closures
-- Stores in service whose row does not have the union of their closures; at most $1.
SELECT s.store_id
FROM stores s
LEFT JOIN (
    SELECT cell, store_no, range_agg(tstzrange(starts_at, ends_at)) AS during FROM closures GROUP BY cell, store_no
) AS c USING (cell, store_no)
WHERE s.removed_at IS NULL AND s.closed_during IS DISTINCT FROM c.during
ORDER BY s.store_id
LIMIT $1
