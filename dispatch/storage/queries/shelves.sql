-- name: add_skus
-- Skus that a shelf row is about to name for the first time.
INSERT INTO skus (sku) SELECT u FROM unnest($1::text[]) AS u ORDER BY u ON CONFLICT DO NOTHING

-- name: sku_numbers
-- The numbers of these skus; what is missing is not known.
SELECT sku, sku_no FROM skus WHERE sku = ANY ($1::text[])

-- name: all_skus
-- Every sku that a shelf has ever held.
SELECT sku, sku_no FROM skus ORDER BY sku_no

-- name: skus_by_number
-- Skus that a follower meets for the first time.
SELECT sku, sku_no FROM skus WHERE sku_no = ANY ($1::bigint[])

-- name: lock_stores
-- The stores whose shelves are about to change, locked in order of number; tells the last whole count of each.
SELECT store_no, counted_whole_at FROM stores
WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND removed_at IS NULL
ORDER BY store_no
FOR NO KEY UPDATE

-- name: lock_shelves
-- The shelf rows that are about to change, locked in order of key. $3: only these skus; none: the whole shelves.
SELECT count(*) FROM (
    SELECT FROM shelves
    WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND ($3::bigint[] IS NULL OR sku_no = ANY ($3::bigint[]))
    ORDER BY store_no, sku_no
    FOR NO KEY UPDATE) AS locked

-- name: lock_counted_shelves
-- The shelf rows that waiting counts name, and the whole shelves of the stores $2, locked in order of key. To lock whole
-- shelves alone takes a sixth of the time a row: lock_shelves.
SELECT count(*) FROM (
    SELECT FROM shelves s
    JOIN (SELECT c.store_no, c.sku_no FROM counts_to_apply c WHERE c.cell = $1
          UNION SELECT w.store_no, w.sku_no FROM shelves w WHERE w.cell = $1 AND w.store_no = ANY ($2::bigint[])) AS k
        ON k.store_no = s.store_no AND k.sku_no = s.sku_no
    WHERE s.cell = $1
    ORDER BY s.store_no, s.sku_no
    FOR NO KEY UPDATE OF s) AS locked

-- name: add_absent
-- What a whole shelf does not name was not there. Most of such rows have long been at 0, and are rewritten only once an
-- hour: a row whose as_of were never moved on would in time be called stale, not empty, though the shelf was counted.
-- $2: stores, $3: as_of of each, $4/$5: rows to be left alone because a bad row of the source speaks of them.
INSERT INTO counts_to_apply (cell, store_no, sku_no, on_hand, price_set, safety_stock, safety_set, as_of, n_rows, absent)
SELECT s.cell, s.store_no, s.sku_no, 0, false, 0, false, w.as_of, 0, true
FROM shelves s
JOIN unnest($2::bigint[], $3::timestamptz[]) AS w (store_no, as_of) ON w.store_no = s.store_no
WHERE s.cell = $1
  AND (s.on_hand <> 0 OR s.moved_at > w.as_of OR s.as_of < w.as_of - interval '1 hour')
  AND (s.as_of > '2000-01-01 00:00+00' OR s.moved_at IS NOT NULL)  -- left by an undone import: it was never there
  AND NOT EXISTS (SELECT FROM counts_to_apply c WHERE c.cell = s.cell AND c.store_no = s.store_no AND c.sku_no = s.sku_no)
  AND NOT EXISTS (SELECT FROM unnest($4::bigint[], $5::bigint[]) AS p (store_no, sku_no)
                  WHERE p.store_no = s.store_no AND p.sku_no = s.sku_no)

-- name: weigh_counts
-- Compares the waiting counts with what is known, row by row: what each comes to, and what was there. A statement of its
-- own, begun when the rows are locked: one that waits for the lock sees no movement that was written while it waited.
-- $2/$3: stores, and when the whole shelf of each was last counted. It said 0 of the rows at 0 that it has left as they
-- were, and of those that are not there; a count that is older must find that. A row that was never counted nor moved is
-- what an undone import has left.
-- The subqueries look each row up by its key: the planner knows nothing of the tables here, and would read all shelves.
INSERT INTO weighed_counts
SELECT c.cell, c.store_no, c.sku_no,
       CASE WHEN later.moved <> 0 THEN greatest(-1000000000, least(2147483647, c.on_hand + later.moved))::integer
            ELSE c.on_hand END,
       CASE WHEN c.price_set THEN nullif(c.price_minor, -1) ELSE s.price_minor END,
       CASE WHEN c.price_set THEN nullif(c.currency, '---') ELSE s.currency END,
       CASE WHEN c.safety_set THEN c.safety_stock ELSE coalesce(s.safety_stock, 0) END,
       c.as_of, c.n_rows, c.absent,
       CASE WHEN c.as_of < s.as_of OR coalesce(s.on_hand, 0) = 0 AND c.as_of < w.counted_whole_at THEN 'older'
            WHEN s.sku_no IS NULL OR s.as_of = '2000-01-01 00:00+00' AND s.moved_at IS NULL THEN 'created'
            ELSE 'counted' END,
       s.ctid, s.on_hand, s.price_minor, s.currency, s.safety_stock, s.as_of, s.moved_at, s.reserved, s.withheld,
       s.withheld_until
FROM counts_to_apply c
JOIN unnest($2::bigint[], $3::timestamptz[]) AS w (store_no, counted_whole_at) ON w.store_no = c.store_no
LEFT JOIN LATERAL (
    SELECT t.ctid, t.* FROM shelves t WHERE t.cell = $1 AND t.store_no = c.store_no AND t.sku_no = c.sku_no OFFSET 0)
    AS s ON true
LEFT JOIN LATERAL (
    SELECT sum(m.delta) AS moved FROM movements m
    WHERE s.sku_no IS NOT NULL AND m.cell = $1 AND m.store_no = c.store_no AND m.sku_no = c.sku_no AND m.at > c.as_of
    ) AS later ON true
WHERE c.cell = $1

-- name: sum_weighed
-- What the counts come to, by store: rows that are new, older than the row's own, or say the same; rows with stock that a
-- whole shelf leaves unnamed: those that are gone, and those that were counted later.
SELECT store_no,
       sum(n_rows)::bigint AS rows,
       coalesce(sum(n_rows) FILTER (WHERE outcome = 'created'), 0)::bigint AS created,
       coalesce(sum(n_rows) FILTER (WHERE outcome = 'older'), 0)::bigint AS older,
       coalesce(sum(n_rows) FILTER (WHERE outcome = 'counted'
           AND (on_hand, safety_stock) = (was_on_hand, was_safety_stock)
           AND (price_minor, currency) IS NOT DISTINCT FROM (was_price_minor, was_currency)), 0)::bigint AS unchanged,
       count(*) FILTER (WHERE absent AND was_on_hand > 0 AND outcome = 'counted' AND on_hand <= 0) AS removed,
       count(*) FILTER (WHERE absent AND was_on_hand > 0 AND outcome = 'older') AS newer_absent
FROM weighed_counts
WHERE cell = $1
GROUP BY store_no

-- name: shortages_of_counts
-- The rows whose shortage these counts change: what will be there, and whether more is short than was.
SELECT store_no, sku_no, on_hand, on_hand < was_on_hand AS grows
FROM weighed_counts
WHERE cell = $1 AND outcome = 'counted' AND greatest(0, on_hand) <> greatest(0, was_on_hand)
  AND was_reserved > least(greatest(0, on_hand), greatest(0, was_on_hand))

-- name: mark_short
-- Marks the reservations for which too little is there; see the function.
SELECT mark_short($1, $2, $3, $4, $5)

-- name: insert_counted
-- Makes the rows that were not there. Nobody else makes them meanwhile, since the stores are locked: to look for each
-- row again, as ON CONFLICT does, would take half as long again.
INSERT INTO shelves (cell, store_no, sku_no, price_minor, currency, as_of, on_hand, safety_stock)
SELECT c.cell, c.store_no, c.sku_no, c.price_minor, c.currency, c.as_of, c.on_hand, c.safety_stock
FROM weighed_counts c
WHERE c.cell = $1 AND c.outcome <> 'older' AND c.was_at IS NULL
ORDER BY c.store_no, c.sku_no

-- name: update_counted
-- Takes the counts over into the rows that were there, which are locked; one older than the row's own is kept out,
-- reservations and moved_at stay. What is withheld is believed to be there again once a count says another figure, made
-- after the store said it has none: a day before withheld_until.
UPDATE shelves s SET
    price_minor = c.price_minor, currency = c.currency, as_of = c.as_of, on_hand = c.on_hand,
    safety_stock = c.safety_stock,
    withheld = CASE WHEN c.on_hand = s.on_hand THEN s.withheld
                    WHEN c.as_of <= s.withheld_until - interval '24 hours' THEN greatest(s.withheld, c.on_hand)
                    ELSE 0 END,
    withheld_until = CASE WHEN c.on_hand = s.on_hand OR c.as_of <= s.withheld_until - interval '24 hours'
                          THEN s.withheld_until END
FROM weighed_counts c
WHERE c.cell = $1 AND c.outcome <> 'older' AND s.ctid = c.was_at

-- name: mark_counts
-- Remembers when each of these stores ($2) was last counted, and when its whole shelf was ($3, $4: stores and as_of), in
-- the transaction that applies what waits in counts_to_apply. It is no change of the store that a follower reads.
UPDATE stores s SET
    counted_at = greatest(s.counted_at, n.counted_at, n.whole_at),
    counted_whole_at = coalesce(n.whole_at, s.counted_whole_at)
FROM (SELECT u.store_no, c.counted_at, w.whole_at
      FROM unnest($2::bigint[]) AS u (store_no)
      LEFT JOIN (SELECT store_no, max(as_of) AS counted_at FROM counts_to_apply WHERE cell = $1 GROUP BY store_no) AS c
          USING (store_no)
      LEFT JOIN unnest($3::bigint[], $4::timestamptz[]) AS w (store_no, whole_at) USING (store_no)) AS n
WHERE s.cell = $1 AND s.store_no = n.store_no
  AND (n.whole_at IS NOT NULL OR n.counted_at > coalesce(s.counted_at, '-infinity'))

-- name: shelf
-- A store's shelf, a row for each sku ever stocked there. $3: only these skus; none: all.
SELECT k.sku, s.on_hand, s.reserved, s.safety_stock, s.withheld, s.price_minor, s.currency, s.as_of, s.moved_at
FROM shelves s JOIN skus k USING (sku_no)
WHERE s.cell = $1 AND s.store_no = $2 AND ($3::text[] IS NULL OR k.sku = ANY ($3::text[]))
  AND (s.as_of > '2000-01-01 00:00+00' OR s.moved_at IS NOT NULL OR s.reserved > 0)  -- not what an undone import has left
ORDER BY k.sku

-- name: redate
-- Counts the shelves of these stores as of $3; for the demo, whose counts are made up anyway.
UPDATE shelves SET as_of = $3 WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND as_of < $3

-- name: redate_stores
-- The same of the stores themselves; one never counted stays so.
UPDATE stores SET counted_at = $3 WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND counted_at < $3

-- name: shelf_blocks
-- How many blocks of the disk the shelves take, to copy them piece by piece.
SELECT pg_relation_size('shelves') / current_setting('block_size')::bigint

-- name: left_shelves
-- The shelves of stores that are gone. One that moved to another cell has left rows in its old one.
SELECT cell, store_no FROM stores WHERE removed_at IS NOT NULL

-- name: export_snapshot
-- Lets another connection read the same moment.
SELECT pg_export_snapshot()

-- name: take_snapshot
-- The other connection's side of it: $1 is the name.
SET TRANSACTION SNAPSHOT $1

-- name: copy_shelves
-- The shelves in the blocks from $1 to before $2, for a replica: one row, in which each column is one value, all rows' one
-- after the other (see storage/feed.py). To receive a row each takes twenty times as long. $3: only these skus, null: all;
-- $4 and $5: left_shelves, which are nobody's shelf any more. Nor are rows that an undone import has left.
SELECT string_agg(int8send(store_no), ''), string_agg(int8send(sku_no), ''),
       string_agg(int4send(greatest(0::bigint, on_hand::bigint - reserved - safety_stock - withheld)::integer), ''),
       string_agg(int8send(coalesce(price_minor, -1)), ''), string_agg(coalesce(currency, '---'), ''),
       string_agg(timestamptz_send(greatest(as_of, moved_at)), '')
FROM shelves
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
  AND ($3::bigint[] IS NULL OR sku_no = ANY ($3::bigint[]))
  AND (cell, store_no) NOT IN (SELECT l.cell, l.store_no FROM unnest($4::bigint[], $5::bigint[]) AS l (cell, store_no))
  AND (as_of > '2000-01-01 00:00+00' OR moved_at IS NOT NULL OR reserved > 0)

-- name: copy_some_shelves
-- As copy_shelves, only these stores, $1 and $2: for a follower. The subquery looks each store up by the key: the planner
-- may know nothing of a table that an import has just filled, and would read all of it.
SELECT string_agg(int8send(s.store_no), ''), string_agg(int8send(s.sku_no), ''), string_agg(int4send(s.available), ''),
       string_agg(int8send(s.price_minor), ''), string_agg(s.currency, ''), string_agg(timestamptz_send(s.fresh_at), '')
FROM unnest($1::bigint[], $2::bigint[]) AS u (cell, store_no)
CROSS JOIN LATERAL (
    SELECT t.store_no, t.sku_no,
           greatest(0::bigint, t.on_hand::bigint - t.reserved - t.safety_stock - t.withheld)::integer AS available,
           coalesce(t.price_minor, -1) AS price_minor, coalesce(t.currency, '---') AS currency,
           greatest(t.as_of, t.moved_at) AS fresh_at
    FROM shelves t WHERE t.cell = u.cell AND t.store_no = u.store_no OFFSET 0) AS s

-- name: cell_checksum
-- A number for what a cell's shelves have available and its stores have open, which a replica of the cell works out
-- too (Replica.checksum). Rows of which nothing is available are as good as none. A store's open orders count as if they
-- were the row of a sku 0.
SELECT r.rows, r.total + o.total AS total
FROM (SELECT count(*) AS rows,
             coalesce(sum((s.store_no * 1000003 + s.sku_no) % 2147483647
                          * (s.on_hand::bigint - s.reserved - s.safety_stock - s.withheld + 1)), 0)
                 AS total
      FROM shelves s JOIN stores t ON t.cell = s.cell AND t.store_no = s.store_no
      WHERE s.cell = $1 AND t.cell = $1 AND t.removed_at IS NULL
        AND s.on_hand::bigint - s.reserved - s.safety_stock - s.withheld > 0) AS r,
     (SELECT coalesce(sum((t.store_no * 1000003) % 2147483647 * (t.open_orders::bigint + 1)), 0) AS total
      FROM stores t WHERE t.cell = $1 AND t.removed_at IS NULL) AS o

-- name: make_counts_to_apply
-- Where counts wait for apply_counts; a table of the connection, empty after each transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS counts_to_apply (
    cell bigint NOT NULL, store_no bigint NOT NULL, sku_no bigint NOT NULL, on_hand integer NOT NULL,
    price_minor bigint, currency text, price_set boolean NOT NULL,  -- -1 and ---, as good as null: none
    safety_stock integer NOT NULL, safety_set boolean NOT NULL,
    as_of timestamptz NOT NULL, n_rows integer NOT NULL, absent boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS;
-- Used by: add_absent. Without it the planner, which knows nothing of the table, compared every shelf row with every
-- count: 12 s for 21,000 rows instead of 1.2 s.
CREATE INDEX IF NOT EXISTS counts_to_apply_row ON counts_to_apply (store_no, sku_no);
-- What they come to, and what was there before.
CREATE TEMPORARY TABLE IF NOT EXISTS weighed_counts (
    cell bigint NOT NULL, store_no bigint NOT NULL, sku_no bigint NOT NULL, on_hand integer NOT NULL,
    price_minor bigint, currency text, safety_stock integer NOT NULL, as_of timestamptz NOT NULL,
    n_rows integer NOT NULL, absent boolean NOT NULL, outcome text NOT NULL,
    was_at tid, was_on_hand integer, was_price_minor bigint, was_currency text, was_safety_stock integer, was_as_of timestamptz,
    was_moved_at timestamptz, was_reserved integer, was_withheld integer, was_withheld_until timestamptz
) ON COMMIT DELETE ROWS
