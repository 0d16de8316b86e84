-- name: count_changed_stores
-- How many stores import $1 has made, changed and removed, or would.
SELECT count(*) FILTER (WHERE before IS NULL AND after IS NOT NULL) AS created,
       count(*) FILTER (WHERE before IS NOT NULL AND after IS NOT NULL AND before <> after) AS updated,
       count(*) FILTER (WHERE before IS NOT NULL AND after IS NULL) AS removed
FROM import_rows WHERE import_id = $1

-- name: changed_stores
-- Stores that import $1 has made, changed or removed, or would, by id, at most $2: where they were and are, and which
-- fields are others.
SELECT row_key AS store_id, coalesce(after, before) ->> 'name' AS name,
       CASE WHEN before IS NULL THEN 'created' WHEN after IS NULL THEN 'removed' ELSE 'updated' END AS change,
       (coalesce(after, before) ->> 'lat')::double precision AS lat,
       (coalesce(after, before) ->> 'lon')::double precision AS lon,
       (before ->> 'lat')::double precision AS was_lat, (before ->> 'lon')::double precision AS was_lon,
       ARRAY(SELECT field.key FROM jsonb_each(after) AS field
             WHERE before IS NOT NULL AND field.value IS DISTINCT FROM before -> field.key ORDER BY field.key) AS fields
FROM import_rows
WHERE import_id = $1 AND before IS DISTINCT FROM after
ORDER BY row_key
LIMIT $2

-- name: count_counted_stores
-- How many stores import $1 has counted, or would.
SELECT count(*) FROM import_shelves WHERE import_id = $1

-- name: counted_stores
-- Stores that import $1 has counted, or would, by id, at most $2, with how many rows of each; where they are now. One that
-- moved to another cell since is told at its new place; one that is out of service at its last.
SELECT d.store_id, s.name, s.lat, s.lon, i.shelf_rows
FROM (
    SELECT e.store_id, e.store_no, e.cell, cardinality(u.sku_no) + cardinality(u.new_skus) AS shelf_rows
    FROM import_shelves u JOIN store_directory e ON e.store_no = u.store_no
    WHERE u.import_id = $1
    ORDER BY e.store_id LIMIT $2) AS i
JOIN store_directory d ON d.store_id = i.store_id
JOIN stores s ON s.cell = i.cell AND s.store_no = i.store_no
ORDER BY d.store_id
