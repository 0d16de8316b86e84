-- name: begin_import
-- A new import, running. The unique index refuses a second one of the partner.
INSERT INTO imports (import_id, kind, partner, status, dry_run, mode, filename, created_at, alive_at)
VALUES ($1, $2, $3, 'running', $4, $5, $6, now(), now())

-- name: fail_dead_imports
-- Imports whose worker has given no sign of life for $1: it died, or lost the database for good. Asked before imports
-- are told or begun; imports_running has the few rows that it looks at.
UPDATE imports SET status = 'failed', ended_at = now(),
    report = report || jsonb_build_object('code', 'interrupted', 'message',
        'the service stopped during this import; every store was applied whole or not at all, so send the file again: '
        'rows that are right already count as unchanged')
WHERE status = 'running' AND alive_at < now() - $1::interval

-- name: import_alive
-- The worker's sign of life while it waits for the database.
UPDATE imports SET alive_at = now() WHERE import_id = $1 AND status = 'running'

-- name: import_progress
-- The worker's sign of life, and how far it is.
UPDATE imports SET alive_at = now(), done_share = $2, rows = $3, failed = $4, warnings = $5
WHERE import_id = $1 AND status = 'running'

-- name: end_import
-- What came of an import; also of one that was taken for dead and was not.
UPDATE imports SET status = $2, ended_at = now(), done_share = $3, rows = $4, created = $5, updated = $6,
    unchanged = $7, removed = $8, failed = $9, ignored = $10, warnings = $11, columns = $12, delimiter = $13,
    report = $14::jsonb, version = $15
WHERE import_id = $1 AND (status = 'running' OR report ->> 'code' = 'interrupted')

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
-- Where a file's counts wait until it is read to its end; a table of the connection.
CREATE TEMPORARY TABLE staged_counts (
    row_no bigint NOT NULL, cell bigint NOT NULL, store_no bigint NOT NULL, sku text NOT NULL, on_hand integer NOT NULL,
    price_minor bigint, currency text, price_set boolean NOT NULL,
    safety_stock integer NOT NULL, safety_set boolean NOT NULL, as_of timestamptz NOT NULL
)

-- name: add_staged_skus
-- Skus that the file names for the first time.
INSERT INTO skus (sku)
SELECT DISTINCT s.sku FROM staged_counts s WHERE NOT EXISTS (SELECT FROM skus k WHERE k.sku = s.sku)
ORDER BY 1
ON CONFLICT DO NOTHING

-- name: sum_staged_counts
-- The file's counts by shelf row, in order of key. Rows of one (store, sku) are summed; the newest date and the
-- highest price of them stand.
CREATE TEMPORARY TABLE summed_counts AS
SELECT s.cell, s.store_no, coalesce(k.sku_no, -1) AS sku_no,
       least(sum(s.on_hand), 1000000000)::integer AS on_hand,
       max(s.price_minor) AS price_minor, max(s.currency) AS currency, bool_or(s.price_set) AS price_set,
       max(s.safety_stock) AS safety_stock, bool_or(s.safety_set) AS safety_set,
       max(s.as_of) AS as_of, count(*)::integer AS n_rows
FROM staged_counts s LEFT JOIN skus k USING (sku)
GROUP BY s.cell, s.store_no, s.sku, k.sku_no
ORDER BY s.cell, s.store_no, k.sku_no

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

-- name: take_counts
-- The counts of some stores of a cell, to be applied in this transaction.
INSERT INTO counts_to_apply (cell, store_no, sku_no, on_hand, price_minor, currency, price_set, safety_stock,
                             safety_set, as_of, n_rows)
SELECT cell, store_no, sku_no, on_hand, price_minor, currency, price_set, safety_stock, safety_set, as_of, n_rows
FROM summed_counts WHERE cell = $1 AND store_no = ANY ($2::bigint[])

-- name: drop_staged
-- The waiting tables of an import that has ended.
DROP TABLE IF EXISTS staged_counts, summed_counts
