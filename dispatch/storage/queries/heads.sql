-- name: bump_head
-- Takes the cell's head, the last lock of every transaction that changes the cell, and numbers the change.
INSERT INTO cell_heads (cell, seq) VALUES ($1, 1)
ON CONFLICT (cell) DO UPDATE SET seq = cell_heads.seq + 1
RETURNING seq

-- name: note_stores
-- Says in the feed that the rows of these stores, or their whole shelves, are to be read again. $4: store | shelves.
INSERT INTO changes (cell, seq, n, kind, store_no, written_at)
SELECT $1::bigint, $2::bigint, (u.n + $5 - 1)::integer, $4::text, u.store_no, now()
FROM unnest($3::bigint[]) WITH ORDINALITY AS u (store_no, n)

-- name: note_shelf_rows
-- Says in the feed what these shelf rows, $3 and $4, now hold, in absolute values, read under the locks of this
-- transaction.
INSERT INTO changes (cell, seq, n, kind, store_no, sku_no, available, price_minor, currency, fresh_at, written_at)
SELECT s.cell, $2::bigint, (row_number() OVER (ORDER BY s.store_no, s.sku_no) + $5 - 1)::integer, 'shelf', s.store_no,
       s.sku_no, greatest(0::bigint, s.on_hand::bigint - s.reserved - s.safety_stock - s.withheld)::integer,
       s.price_minor, s.currency, greatest(s.as_of, s.moved_at), now()
FROM unnest($3::bigint[], $4::bigint[]) AS u (store_no, sku_no)
JOIN shelves s ON s.store_no = u.store_no AND s.sku_no = u.sku_no
WHERE s.cell = $1

-- name: head_of
-- Where one cell is, for a write that found nothing to change.
SELECT seq FROM cell_heads WHERE cell = $1

-- name: heads_of
-- Where some cells are.
SELECT cell, seq FROM cell_heads WHERE cell = ANY ($1::bigint[])

-- name: heads
-- Where every cell is: polled by each follower, and mostly as it was. So it is one value, to be compared as a whole,
-- 16 bytes a cell in no order; a few hundred small rows would be read one by one. Null without any cell.
SELECT string_agg(int8send(cell) || int8send(seq), ''::bytea) FROM cell_heads

-- name: changes_between
-- What happened in a cell after seq $2, up to and with seq $3, in order, at most $4 rows of it.
SELECT seq, kind, store_no, sku_no, available, price_minor, currency, fresh_at, open_orders
FROM changes
WHERE cell = $1 AND seq > $2 AND seq <= $3
ORDER BY seq, n
LIMIT $4

-- name: forget_changes
-- Drops the oldest changes of a cell, which every live follower has long read. $2: kept for so long; $3: how many rows
-- to look at, so that each call is short.
DELETE FROM changes
WHERE cell = $1 AND seq <= (
    SELECT max(o.seq) FROM (SELECT c.seq, c.written_at FROM changes c WHERE c.cell = $1 ORDER BY c.seq, c.n LIMIT $3) AS o
    WHERE o.written_at < now() - $2::interval)
