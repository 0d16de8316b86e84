-- name: begin_import
-- A new import, running. The unique index refuses a second one of the partner.
INSERT INTO imports (import_id, kind, partner, status, dry_run, mode, filename, asked, applies, created_at, alive_at)
VALUES ($1, $2, $3, 'running', $4, $5, $6, $7::jsonb, $8, now(), now())

-- name: fail_dead_imports
-- Imports whose worker has given no sign of life for $1: it died, or lost the database for good. Asked before imports
-- are told or begun; imports_running has the few rows that it looks at.
UPDATE imports SET ended_at = now(), undoing = false,
    status = CASE WHEN undoing AND report ->> 'code' IS DISTINCT FROM 'interrupted' THEN 'done' ELSE 'failed' END,
    report = report || CASE WHEN undoing THEN jsonb_build_object('undo', jsonb_build_object('code', 'interrupted', 'message',
        'its process ended while this import was undone; undo it again, and it goes on where it was'))
    ELSE jsonb_build_object('code', 'interrupted', 'message',
        'its process ended in the middle of this import; every store was applied whole or not at all, so send the file again: '
        'rows that are right already count as unchanged') END
WHERE status = 'running' AND alive_at < now() - $1::interval

-- name: give_up_import
-- An import whose process is known to have ended, so that it is taken for dead at once.
UPDATE imports SET alive_at = '-infinity' WHERE import_id = $1 AND status = 'running'

-- name: import_alive
-- The worker's sign of life while it waits for the database.
UPDATE imports SET alive_at = now() WHERE import_id = $1 AND status = 'running'

-- name: import_progress
-- The worker's sign of life, and how far it is.
UPDATE imports SET alive_at = now(), done_share = $2, rows = coalesce($3, rows), failed = coalesce($4, failed),
    warnings = coalesce($5, warnings)
WHERE import_id = $1 AND status = 'running'

-- name: end_import
-- What came of an import; also of one that was taken for dead and was not.
UPDATE imports SET status = $2, ended_at = now(), done_share = $3, rows = $4, created = $5, updated = $6,
    unchanged = $7, removed = $8, failed = $9, ignored = $10, warnings = $11, columns = $12, delimiter = $13,
    report = $14::jsonb, version = $15, saw = $16::jsonb
WHERE import_id = $1 AND NOT undoing AND (status = 'running' OR status = 'failed' AND report ->> 'code' = 'interrupted')

-- name: read_import
-- One import as it stands.
SELECT * FROM imports WHERE import_id = $1

-- name: list_imports
-- Imports, newest first, after a position. $1/$2: created_at and id of the last one seen; $4 to $6: of that kind, partner,
-- status, none: any; $7: begun since.
SELECT * FROM imports
WHERE ($1::timestamptz IS NULL OR (created_at, import_id) < ($1::timestamptz, $2::text))
  AND ($4::text IS NULL OR kind = $4) AND ($5::text IS NULL OR partner = $5) AND ($6::text IS NULL OR status = $6)
  AND created_at >= $7
ORDER BY created_at DESC, import_id DESC
LIMIT $3

-- name: import_errors
-- The bad rows of an import, in order; a page at a time after $2.
SELECT n, row_no, column_name, code, message, cells FROM import_errors
WHERE import_id = $1 AND n > $2 ORDER BY n LIMIT $3

-- name: make_staged_counts
-- Where a file's counts wait until it is read to its end; tables of the connection. price_minor -1: none.
CREATE TEMPORARY TABLE staged_counts (
    store_no bigint NOT NULL, sku_n integer NOT NULL, on_hand integer NOT NULL, price_minor bigint NOT NULL,
    currency text NOT NULL, price_set boolean NOT NULL, safety_stock integer NOT NULL, safety_set boolean NOT NULL,
    as_of timestamptz NOT NULL
);
CREATE TEMPORARY TABLE staged_skus (sku_n integer NOT NULL, sku text NOT NULL)

-- name: add_staged_skus
-- Skus that the file names for the first time.
INSERT INTO skus (sku)
SELECT s.sku FROM staged_skus s WHERE NOT EXISTS (SELECT FROM skus k WHERE k.sku = s.sku)
ORDER BY 1
ON CONFLICT DO NOTHING

-- name: sum_staged_counts
-- The file's counts by shelf row, in order of key. Rows of one (store, sku) are summed; the newest date and the
-- highest price of them stand. A dry run gives new skus no number.
CREATE TEMPORARY TABLE summed_counts AS
SELECT d.cell, s.store_no, coalesce(k.sku_no, -1) AS sku_no, s.on_hand, s.price_minor, s.currency, s.price_set,
       s.safety_stock, s.safety_set, s.as_of, s.n_rows, CASE WHEN k.sku_no IS NULL THEN n.sku END AS new_sku
FROM (
    SELECT store_no, sku_n, least(sum(on_hand), 1000000000)::integer AS on_hand,
           -- Of prices in two currencies nobody knows which is meant, so none is taken.
           CASE WHEN min(currency) FILTER (WHERE price_minor >= 0) = max(currency) FILTER (WHERE price_minor >= 0)
                THEN nullif(max(price_minor), -1) END AS price_minor,
           CASE WHEN min(currency) FILTER (WHERE price_minor >= 0) = max(currency) FILTER (WHERE price_minor >= 0)
                THEN max(currency) FILTER (WHERE price_minor >= 0) END AS currency,
           bool_or(price_set) AND NOT coalesce(min(currency) FILTER (WHERE price_minor >= 0)
               <> max(currency) FILTER (WHERE price_minor >= 0), false) AS price_set, max(safety_stock) AS safety_stock, bool_or(safety_set) AS safety_set,
           max(as_of) AS as_of, count(*)::integer AS n_rows
    FROM staged_counts GROUP BY store_no, sku_n) AS s
JOIN staged_skus n USING (sku_n)
JOIN store_directory d USING (store_no)
LEFT JOIN skus k ON k.sku = n.sku
ORDER BY d.cell, s.store_no, k.sku_no

-- name: index_summed_counts
-- Used by: take_counts, once a batch of stores.
CREATE INDEX ON summed_counts (cell, store_no)

-- name: analyze_summed_counts
-- The planner knows nothing of a new table.
ANALYZE summed_counts

-- name: summed_stores
-- The stores of the file, in the order they are applied: rows of the table and of the file, the oldest count of each.
SELECT cell, store_no, count(*)::integer AS shelf_rows, sum(n_rows)::bigint AS file_rows, min(as_of) AS as_of
FROM summed_counts GROUP BY cell, store_no ORDER BY cell, store_no

-- name: shelf_sizes
-- How many shelf rows these stores have, and how many of these have stock. $1/$2: cell and number of each.
SELECT u.store_no, count(*)::integer AS rows, count(*) FILTER (WHERE s.on_hand > 0)::integer AS stocked
FROM unnest($1::bigint[], $2::bigint[]) AS u (cell, store_no)
JOIN shelves s ON s.cell = u.cell AND s.store_no = u.store_no
GROUP BY u.store_no

-- name: still_stocked
-- How many shelf rows that have stock now the file says have some, by store.
SELECT c.store_no, count(*)::integer AS stocked
FROM summed_counts c JOIN shelves s ON s.cell = c.cell AND s.store_no = c.store_no AND s.sku_no = c.sku_no
WHERE c.on_hand > 0 AND s.on_hand > 0
GROUP BY c.store_no

-- name: stocked_elsewhere
-- How many shelf rows with stock the stores of partner $1 have that are not among $2; counts to $3 and no further.
SELECT count(*) FROM (
    SELECT FROM store_directory d
    JOIN stores t ON t.cell = d.cell AND t.store_no = d.store_no AND t.removed_at IS NULL
    JOIN shelves s ON s.cell = d.cell AND s.store_no = d.store_no
    WHERE d.partner = $1 AND NOT d.store_no = ANY ($2::bigint[]) AND s.on_hand > 0
    LIMIT $3) AS found

-- name: emptied_rows
-- How many shelf rows that have stock now the file says have none.
SELECT count(*) FROM summed_counts c
CROSS JOIN LATERAL (
    SELECT s.on_hand FROM shelves s WHERE s.cell = c.cell AND s.store_no = c.store_no AND s.sku_no = c.sku_no OFFSET 0) AS s
WHERE c.on_hand = 0 AND s.on_hand > 0

-- name: take_counts
-- The counts of some stores of a cell, to be weighed in this transaction.
INSERT INTO counts_to_apply (cell, store_no, sku_no, on_hand, price_minor, currency, price_set, safety_stock,
                             safety_set, as_of, n_rows)
SELECT cell, store_no, sku_no, on_hand, price_minor, currency, price_set, safety_stock, safety_set, as_of, n_rows
FROM summed_counts WHERE cell = $1 AND store_no = ANY ($2::bigint[])

-- name: drop_staged
-- The waiting tables of an import that has ended.
DROP TABLE IF EXISTS staged_counts, staged_skus, summed_counts

-- name: make_staged_stores
-- Where a file's stores wait until it is read to its end; a table of the connection.
CREATE TEMPORARY TABLE staged_stores (
    row_no bigint NOT NULL, cell bigint NOT NULL, store_id text NOT NULL, store bytea NOT NULL, raw text[] NOT NULL)

-- name: index_staged_stores
-- Used by: staged_stores_after.
CREATE INDEX ON staged_stores (cell, row_no)

-- name: staged_stores_after
-- The stores after cell $1 and row $2, by cell, at most $3.
SELECT row_no, cell, store_id, store, raw FROM staged_stores WHERE (cell, row_no) > ($1, $2) ORDER BY cell, row_no LIMIT $3

-- name: drop_staged_stores
-- The waiting table of an import that has ended.
DROP TABLE IF EXISTS staged_stores
