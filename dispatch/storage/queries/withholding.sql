-- name: withheld_due
-- The cells in which something has been withheld for long enough.
SELECT DISTINCT cell FROM shelves WHERE withheld_until <= now() ORDER BY cell

-- name: withheld_rows_due
-- Rows of a cell that have been withheld for long enough, at most $2.
SELECT store_no, sku_no FROM shelves WHERE cell = $1 AND withheld_until <= now() ORDER BY store_no, sku_no LIMIT $2

-- name: withheld_rows_of_store
-- What is withheld at a store. $3: only these skus; none: all.
SELECT s.store_no, s.sku_no FROM shelves s JOIN skus k USING (sku_no)
WHERE s.cell = $1 AND s.store_no = $2 AND s.withheld > 0 AND ($3::text[] IS NULL OR k.sku = ANY ($3::text[]))
ORDER BY s.store_no, s.sku_no

-- name: release_rows
-- Takes back that these rows, which are locked, are withheld. $4: only of those that have been for long enough.
UPDATE shelves s SET withheld = 0, withheld_until = NULL
FROM unnest($2::bigint[], $3::bigint[]) AS u (store_no, sku_no)
WHERE s.cell = $1 AND s.store_no = u.store_no AND s.sku_no = u.sku_no AND s.withheld > 0
  AND (NOT $4 OR s.withheld_until <= now())
RETURNING s.store_no, s.sku_no

-- name: resume_store
-- A store that takes orders again, whatever it has said.
UPDATE stores SET closed_until = NULL, busy_until = NULL
WHERE cell = $1 AND store_no = $2 AND (closed_until IS NOT NULL OR busy_until IS NOT NULL)
RETURNING store_no
