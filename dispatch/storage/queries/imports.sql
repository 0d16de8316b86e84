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

-- name: take_back_import
-- An import that was opened and has not begun.
DELETE FROM imports WHERE import_id = $1 AND status = 'running'

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

-- name: shelf_sizes
-- How many shelf rows these stores have, and how many of these have stock. $1/$2: cell and number of each.
SELECT u.store_no, count(*)::integer AS rows, count(*) FILTER (WHERE s.on_hand > 0)::integer AS stocked
FROM unnest($1::bigint[], $2::bigint[]) AS u (cell, store_no)
JOIN shelves s ON s.cell = u.cell AND s.store_no = u.store_no
GROUP BY u.store_no

-- name: stocked_of_these
-- How many of these shelf rows have stock now, by store. $1: cell; $2/$3: store and sku of each.
SELECT u.store_no, count(*)::integer AS stocked
FROM unnest($2::bigint[], $3::bigint[]) AS u (store_no, sku_no)
CROSS JOIN LATERAL (
    SELECT s.on_hand FROM shelves s WHERE s.cell = $1 AND s.store_no = u.store_no AND s.sku_no = u.sku_no OFFSET 0) AS s
WHERE s.on_hand > 0
GROUP BY u.store_no

-- name: stocked_elsewhere
-- How many shelf rows with stock the stores of partner $1 have that are not among $2; counts to $3 and no further.
SELECT count(*) FROM (
    SELECT FROM store_directory d
    JOIN stores t ON t.cell = d.cell AND t.store_no = d.store_no AND t.removed_at IS NULL
    JOIN shelves s ON s.cell = d.cell AND s.store_no = d.store_no
    WHERE d.partner = $1 AND NOT d.store_no = ANY ($2::bigint[]) AND s.on_hand > 0
    LIMIT $3) AS found
