-- name: partners_due
-- Every partner, and by when its stores are to be counted.
SELECT partner, stock_due_at FROM partners ORDER BY partner

-- name: counted_by_zone
-- Of the active stores in service, by partner and time zone: how many there are, how many of them were never counted, and
-- the newest and the oldest count. Reads every store, some 0.3 s of 100,000. $1: only this partner; none: all.
SELECT partner, timezone, count(*) AS stores, count(*) - count(counted_at) AS never_counted,
       max(counted_at) AS newest, min(counted_at) AS oldest
FROM stores WHERE removed_at IS NULL AND active AND ($1::text IS NULL OR partner = $1)
GROUP BY partner, timezone

-- name: count_late
-- By partner, the active stores in service that were not counted since $3, which holds for the partner $1 in the time
-- zone $2.
SELECT s.partner, count(*) AS late
FROM stores s JOIN unnest($1::text[], $2::text[], $3::timestamptz[]) AS d (partner, timezone, since) USING (partner, timezone)
WHERE s.removed_at IS NULL AND s.active AND (s.counted_at IS NULL OR s.counted_at < d.since)
GROUP BY s.partner

-- name: late_stores
-- Those stores of the partner $1, never counted first, then by the age of the count, then by id; after a position ($4, $5:
-- counted_at, or -infinity of a store never counted, and id). $2, $3: time zones, and since when in each.
SELECT s.store_id, s.name, s.timezone, s.counted_at
FROM stores s JOIN unnest($2::text[], $3::timestamptz[]) AS d (timezone, since) USING (timezone)
WHERE s.partner = $1 AND s.removed_at IS NULL AND s.active AND (s.counted_at IS NULL OR s.counted_at < d.since)
  AND ($5::text IS NULL OR (coalesce(s.counted_at, '-infinity'), s.store_id) > (coalesce($4::timestamptz, '-infinity'), $5))
ORDER BY coalesce(s.counted_at, '-infinity'), s.store_id
LIMIT $6

-- name: last_imports
-- The newest import of each partner of each kind, dry runs apart.
SELECT i.* FROM partners p CROSS JOIN unnest(ARRAY['stores', 'stock']) AS k (kind) CROSS JOIN LATERAL (
    SELECT * FROM imports m WHERE m.partner = p.partner AND m.kind = k.kind AND NOT m.dry_run
    ORDER BY m.created_at DESC, m.import_id DESC LIMIT 1) AS i
