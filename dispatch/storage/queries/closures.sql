-- name: lock_store_to_close
-- The time zone of a store in service, whose closures are about to change.
SELECT timezone FROM stores WHERE cell = $1 AND store_no = $2 AND removed_at IS NULL FOR NO KEY UPDATE

-- name: put_closure
-- Closes a store from $3 until $4. Answers whether that is new; nothing if it was so already, for the same reason.
INSERT INTO closures (cell, store_no, starts_at, ends_at, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (cell, store_no, starts_at, ends_at) DO UPDATE SET reason = excluded.reason
WHERE closures.reason IS DISTINCT FROM excluded.reason
RETURNING (xmax = 0) AS created

-- name: count_closures
-- How many closures of a store, other than that from $3 until $4, are not over at $5.
SELECT count(*) FROM closures
WHERE cell = $1 AND store_no = $2 AND ends_at > $5 AND (starts_at, ends_at) <> ($3, $4)

-- name: delete_closure
-- Takes a closure back.
DELETE FROM closures WHERE cell = $1 AND store_no = $2 AND starts_at = $3 AND ends_at = $4 RETURNING store_no

-- name: gather_closures
-- Writes the union of their closures into the rows of these stores, which are locked; overlapping ones merge.
UPDATE stores s SET closed_during = (
    SELECT range_agg(tstzrange(c.starts_at, c.ends_at)) FROM closures c WHERE c.cell = $1 AND c.store_no = s.store_no)
WHERE s.cell = $1 AND s.store_no = ANY ($2::bigint[])

-- name: read_closures
-- The closures of a store that are not over at $3, first those that begin first.
SELECT starts_at, ends_at, reason FROM closures
WHERE cell = $1 AND store_no = $2 AND ends_at > $3
ORDER BY starts_at, ends_at

-- name: closures_over
-- Stores of a cell with closures that ended more than $2 ago, at most $3 of them, in order of number.
SELECT DISTINCT store_no FROM closures WHERE cell = $1 AND ends_at < now() - $2::interval ORDER BY store_no LIMIT $3

-- name: forget_closures
-- Drops the closures of these stores that ended more than $3 ago; the rows of the stores are locked.
DELETE FROM closures WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND ends_at < now() - $3::interval

-- name: carry_closures
-- The closures of a store that has moved to another cell go along.
INSERT INTO closures (cell, store_no, starts_at, ends_at, reason)
SELECT $2::bigint, store_no, starts_at, ends_at, reason FROM closures WHERE cell = $1 AND store_no = $3
ON CONFLICT DO NOTHING

-- name: leave_closures
-- The old row of a store that has moved away has none any more.
DELETE FROM closures WHERE cell = $1 AND store_no = $2
