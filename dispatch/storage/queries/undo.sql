-- name: keep_shelves
-- Writes down what the weighed counts found, so that it can be put back, or compared. $2: import; $3/$4: stores, and when
-- each was last counted whole; $5/$6: stores whose whole shelf this is, and as of when; $7: rows that are kept out, too.
INSERT INTO import_shelves
SELECT c.cell, $2::text, c.store_no, clock_timestamp(),
       (SELECT w.at FROM unnest($3::bigint[], $4::timestamptz[]) AS w (store_no, at) WHERE w.store_no = c.store_no),
       (SELECT w.at FROM unnest($5::bigint[], $6::timestamptz[]) AS w (store_no, at) WHERE w.store_no = c.store_no),
       '{}', array_agg(c.sku_no), array_agg(c.on_hand), array_agg(c.price_minor), array_agg(c.currency),
       array_agg(c.safety_stock), array_agg(c.as_of), array_agg(c.was_on_hand), array_agg(c.was_price_minor),
       array_agg(c.was_currency), array_agg(c.was_safety_stock), array_agg(c.was_as_of), array_agg(c.was_moved_at),
       array_agg(c.was_withheld), array_agg(c.was_withheld_until)
FROM weighed_counts c
WHERE c.cell = $1 AND ($7 OR c.outcome <> 'older') AND c.sku_no >= 0
GROUP BY c.cell, c.store_no

-- name: keep_new_skus
-- Of a dry run: the skus that no shelf has ever held, which have no number to be kept by. $1: import; $2: cell; $3/$4:
-- store and sku of each.
INSERT INTO import_shelves
SELECT t.cell, $1::text, t.store_no, clock_timestamp(), t.counted_whole_at, NULL, u.skus,
       '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
FROM (SELECT n.store_no, array_agg(n.sku) AS skus FROM unnest($3::bigint[], $4::text[]) AS n (store_no, sku)
      GROUP BY n.store_no) AS u
JOIN stores t ON t.cell = $2 AND t.store_no = u.store_no
ON CONFLICT (cell, import_id, store_no) DO UPDATE SET new_skus = excluded.new_skus

-- name: shelves_changed_since
-- What is no longer as import $1 found it: stores that are gone, moved or were counted whole, rows that say something
-- else, and rows of skus that were new. At most $2 of them, by name.
WITH images AS MATERIALIZED (
    SELECT i.*, t.counted_whole_at, t.removed_at FROM import_shelves i
    LEFT JOIN stores t ON t.cell = i.cell AND t.store_no = i.store_no
    WHERE i.import_id = $1)
SELECT d.store_id, found.sku
FROM (
    SELECT i.store_no, NULL::text AS sku FROM images i
    WHERE i.removed_at IS NOT NULL OR i.counted_whole_at IS DISTINCT FROM i.was_whole_at
    UNION ALL
    SELECT i.store_no, k.sku
    FROM images i
    CROSS JOIN LATERAL unnest(i.sku_no, i.was_on_hand, i.was_price_minor, i.was_currency, i.was_safety_stock, i.was_as_of)
        AS u (sku_no, on_hand, price_minor, currency, safety_stock, as_of)
    LEFT JOIN LATERAL (
        SELECT * FROM shelves t WHERE t.cell = i.cell AND t.store_no = i.store_no AND t.sku_no = u.sku_no OFFSET 0) AS s
        ON true
    JOIN skus k ON k.sku_no = u.sku_no
    WHERE (s.on_hand, s.price_minor, s.currency, s.safety_stock, s.as_of)
          IS DISTINCT FROM (u.on_hand, u.price_minor, u.currency, u.safety_stock, u.as_of)
    UNION ALL
    SELECT i.store_no, k.sku
    FROM images i
    JOIN skus k ON k.sku = ANY (i.new_skus)
    JOIN shelves s ON s.cell = i.cell AND s.store_no = i.store_no AND s.sku_no = k.sku_no
    LIMIT $2) AS found
JOIN store_directory d ON d.store_no = found.store_no
ORDER BY d.store_id, found.sku

-- name: images_of_shelves
-- The stores that import $1 has counted and that were not put back yet, in the order they are locked, with their rows.
SELECT cell, store_no, cardinality(sku_no) AS shelf_rows FROM import_shelves WHERE import_id = $1 ORDER BY cell, store_no

-- name: make_rows_to_undo
-- Where the rows of an undo wait; a table of the connection, empty after each transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS rows_to_undo (
    store_no bigint NOT NULL, sku_no bigint NOT NULL, untouched boolean NOT NULL, on_hand integer, price_minor bigint,
    currency text, safety_stock integer, as_of timestamptz, withheld integer, withheld_until timestamptz,
    now_on_hand integer, now_reserved integer
) ON COMMIT DELETE ROWS

-- name: weigh_undo
-- What each row that import $2 counted would be put back to, whose rows are locked: what was, and what has moved since the
-- import and after that count. A row that does not say what the import left there, less and more what has moved since and
-- after its count, was counted since, and stays. One that was not there before becomes as if never counted. What is
-- withheld comes back where the import has ended that.
INSERT INTO rows_to_undo
SELECT i.store_no, u.sku_no,
       s.sku_no IS NOT NULL
       AND (s.as_of, s.safety_stock) = (u.as_of, u.safety_stock)
       AND (s.price_minor, s.currency) IS NOT DISTINCT FROM (u.price_minor, u.currency)
       AND s.on_hand = u.on_hand + moved.since_its_count,
       greatest(-1000000000, least(2147483647, coalesce(u.was_on_hand, 0) + moved.since_the_one_before))::integer,
       u.was_price_minor, u.was_currency, coalesce(u.was_safety_stock, 0),
       coalesce(u.was_as_of, '2000-01-01 00:00+00'),
       CASE WHEN ended.back THEN u.was_withheld ELSE s.withheld END,
       CASE WHEN ended.back THEN u.was_withheld_until ELSE s.withheld_until END,
       s.on_hand, s.reserved
FROM import_shelves i
CROSS JOIN LATERAL unnest(i.sku_no, i.on_hand, i.price_minor, i.currency, i.safety_stock, i.as_of, i.was_on_hand,
                          i.was_price_minor, i.was_currency, i.was_safety_stock, i.was_as_of, i.was_moved_at,
                          i.was_withheld, i.was_withheld_until)
    AS u (sku_no, on_hand, price_minor, currency, safety_stock, as_of, was_on_hand, was_price_minor, was_currency,
          was_safety_stock, was_as_of, was_moved_at, was_withheld, was_withheld_until)
LEFT JOIN LATERAL (
    SELECT * FROM shelves t WHERE t.cell = $1 AND t.store_no = i.store_no AND t.sku_no = u.sku_no OFFSET 0) AS s ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(m.delta) FILTER (WHERE m.at > u.as_of), 0) AS since_its_count,
           coalesce(sum(m.delta) FILTER (WHERE u.was_as_of IS NULL OR m.at > u.was_as_of), 0) AS since_the_one_before
    FROM movements m
    WHERE m.cell = $1 AND m.store_no = i.store_no AND m.sku_no = u.sku_no AND m.written_at > i.kept_at) AS moved
CROSS JOIN LATERAL (
    SELECT u.was_withheld_until > now() AND s.moved_at IS NOT DISTINCT FROM u.was_moved_at
           AND coalesce(s.withheld_until, u.was_withheld_until) = u.was_withheld_until AS back) AS ended
WHERE i.cell = $1 AND i.import_id = $2 AND i.store_no = ANY ($3::bigint[])

-- name: rows_not_undone
-- Rows that were counted since, by name; at most $2.
SELECT d.store_id, k.sku
FROM rows_to_undo r JOIN skus k USING (sku_no) JOIN store_directory d ON d.store_no = r.store_no
WHERE NOT r.untouched AND r.store_no = ANY ($1::bigint[])
ORDER BY r.store_no, r.sku_no
LIMIT $2

-- name: count_undone
-- How many rows are put back, and how many were counted since.
SELECT count(*) FILTER (WHERE untouched) AS restored, count(*) FILTER (WHERE NOT untouched) AS kept FROM rows_to_undo

-- name: shortages_of_undo
-- The rows whose shortage this changes; as shortages_of_counts.
SELECT store_no, sku_no, on_hand, on_hand < now_on_hand AS grows
FROM rows_to_undo
WHERE untouched AND greatest(0, on_hand) <> greatest(0, now_on_hand)
  AND now_reserved > least(greatest(0, on_hand), greatest(0, now_on_hand))

-- name: put_rows_back
-- Puts the rows back; they are there, and the insert only finds them by their key.
INSERT INTO shelves (cell, store_no, sku_no, price_minor, currency, as_of, on_hand, safety_stock, withheld, withheld_until)
SELECT $1::bigint, store_no, sku_no, price_minor, currency, as_of, on_hand, safety_stock, withheld, withheld_until
FROM rows_to_undo WHERE untouched
ORDER BY store_no, sku_no
ON CONFLICT (cell, store_no, sku_no) DO UPDATE SET
    price_minor = excluded.price_minor, currency = excluded.currency, as_of = excluded.as_of,
    on_hand = excluded.on_hand, safety_stock = excluded.safety_stock, withheld = excluded.withheld,
    withheld_until = excluded.withheld_until

-- name: put_whole_counts_back
-- The last whole count of these stores is again the one before, unless there was another one since.
UPDATE stores s SET counted_whole_at = i.was_whole_at
FROM import_shelves i
WHERE i.cell = $1 AND i.import_id = $2 AND i.store_no = ANY ($3::bigint[]) AND s.cell = $1 AND s.store_no = i.store_no
  AND i.whole_at IS NOT NULL AND s.counted_whole_at IS NOT DISTINCT FROM i.whole_at

-- name: date_counts_back
-- When these stores were last counted, after some of their counts are gone.
UPDATE stores s SET counted_at = greatest(s.counted_whole_at, (
    SELECT max(h.as_of) FROM shelves h
    WHERE h.cell = $1 AND h.store_no = s.store_no AND h.as_of > '2000-01-01 00:00+00'))
WHERE s.cell = $1 AND s.store_no = ANY ($2::bigint[])

-- name: images_of_gone_shelves
-- Of the stores $3 that are out of service, or have moved to another cell: how many rows cannot be put back.
SELECT d.store_id, cardinality(i.sku_no) AS shelf_rows
FROM import_shelves i JOIN store_directory d ON d.store_no = i.store_no
WHERE i.cell = $1 AND i.import_id = $2 AND i.store_no = ANY ($3::bigint[])
ORDER BY d.store_id

-- name: forget_images_of_shelves
-- What has been put back, so that an undo that stopped goes on where it was.
DELETE FROM import_shelves WHERE cell = $1 AND import_id = $2 AND store_no = ANY ($3::bigint[])

-- name: told_stores
-- Stores as an import may have changed them, as JSON; none for those that are not in service. Each is looked up by its
-- key: while an import fills the tables, what the planner knows of them is too old, and it would read all stores.
SELECT u.store_id, to_jsonb(s) - ARRAY['cell', 'store_no', 'open_orders', 'counted_whole_at', 'counted_at', 'removed_at',
                                       'closed_until', 'busy_until', 'closed_during'] AS told
FROM unnest($1::text[]) AS u (store_id)
CROSS JOIN LATERAL (SELECT d.cell, d.store_no FROM store_directory d WHERE d.store_id = u.store_id OFFSET 0) AS d
CROSS JOIN LATERAL (
    SELECT * FROM stores t WHERE t.cell = d.cell AND t.store_no = d.store_no AND t.removed_at IS NULL OFFSET 0) AS s

-- name: keep_rows
-- Writes down stores or items as they were before import $1, and as it left them.
INSERT INTO import_rows (import_id, row_key, before, after)
SELECT $1, u.row_key, u.before::jsonb, u.after::jsonb
FROM unnest($2::text[], $3::text[], $4::text[]) AS u (row_key, before, after)
ON CONFLICT (import_id, row_key) DO UPDATE SET after = excluded.after

-- name: keep_stores
-- As keep_rows of stores that import $1 has just written, which are read here and need not be sent to it and back.
-- $2/$3: id, and JSON of what was there before, or nothing where all are new. It tells the same as told_stores; to name
-- the columns takes two thirds of the time of leaving the others out.
INSERT INTO import_rows (import_id, row_key, before, after)
SELECT $1, u.store_id, u.before::jsonb, s.told
FROM unnest($2::text[], $3::text[]) AS u (store_id, before)
CROSS JOIN LATERAL (SELECT d.cell, d.store_no FROM store_directory d WHERE d.store_id = u.store_id OFFSET 0) AS d
CROSS JOIN LATERAL (
    SELECT to_jsonb(c) AS told
    FROM (SELECT t.store_id, t.partner, t.lat, t.lon, t.timezone, t.name, t.brand, t.region, t.address, t.phone,
                 t.opening_hours, t.delivery_radius_m, t.delivery_zone, t.mode, t.prepare_s, t.prepare_line_s,
                 t.queue_per_order_s, t.courier_s, t.handover_s, t.max_open_orders, t.active
          FROM stores t WHERE t.cell = d.cell AND t.store_no = d.store_no AND t.removed_at IS NULL OFFSET 0) AS c) AS s
WHERE u.before::jsonb IS DISTINCT FROM s.told
ON CONFLICT (import_id, row_key) DO UPDATE SET after = excluded.after

-- name: images_of_rows
-- What import $1 has changed of stores or items and was not put back yet, after key $2, at most $3.
SELECT row_key, before, after FROM import_rows WHERE import_id = $1 AND row_key > $2 ORDER BY row_key LIMIT $3

-- name: count_images_of_rows
-- How many stores or items import $1 has changed that were not put back yet.
SELECT count(*) FROM import_rows WHERE import_id = $1

-- name: stores_come_since
-- Stores of partner $2 in service that dry run $1 neither named nor took out, at most $3: they came after it.
SELECT d.store_id FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
WHERE d.partner = $2 AND s.removed_at IS NULL
  AND NOT EXISTS (SELECT FROM import_rows i WHERE i.import_id = $1 AND i.row_key = d.store_id)
ORDER BY d.store_id LIMIT $3

-- name: what_is_seen
-- What an import of stock of partner $1 judges its rows by beside the shelves: a digest of the partner's items, and the
-- highest number of a store and of a sku. Read before the file is.
SELECT jsonb_build_object(
    'items', (SELECT md5(coalesce(string_agg(to_jsonb(i)::text, E'\n' ORDER BY i.partner_code), ''))
              FROM partner_items i WHERE i.partner = $1),
    'last_store_no', (SELECT coalesce(max(store_no), 0) FROM store_directory),
    'last_sku_no', (SELECT coalesce(max(sku_no), 0) FROM skus)) AS saw

-- name: meant_otherwise_now
-- What rows of dry run $1 may mean by now: stores of the partner in service where there was none, those made after number
-- $2 that differ in leading zeros alone from one that it counted, and skus after number $3 where the code was none; at most
-- $4, by name. Where a profile makes the store id of other columns, bare is null, and any store made since may be meant.
WITH bad AS MATERIALIZED (
    SELECT DISTINCT e.code, ltrim(btrim(e.cells[array_position(m.columns, e.column_name)]), '0') AS bare
    FROM import_errors e JOIN imports m USING (import_id)
    WHERE e.import_id = $1 AND e.code IN ('unknown_store', 'unmapped_item')),
counted AS MATERIALIZED (
    SELECT ltrim(d.store_id, '0') AS bare FROM import_shelves i JOIN store_directory d USING (store_no)
    WHERE i.import_id = $1)
SELECT found.store_id, found.sku FROM (
    SELECT d.store_id, NULL::text AS sku
    FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
    JOIN imports m ON m.import_id = $1
    WHERE s.removed_at IS NULL
      AND (d.partner = m.partner AND ltrim(d.store_id, '0') IN (
               SELECT bare FROM bad WHERE code = 'unknown_store' AND bare IS NOT NULL)
           OR d.store_no > $2 AND d.partner = m.partner AND EXISTS (
               SELECT FROM bad WHERE code = 'unknown_store' AND bare IS NULL)
           OR d.store_no > $2 AND ltrim(d.store_id, '0') IN (SELECT bare FROM counted))
    UNION ALL
    SELECT NULL, k.sku FROM skus k
    WHERE k.sku_no > $3 AND ltrim(k.sku, '0') IN (SELECT bare FROM bad WHERE code = 'unmapped_item' AND bare IS NOT NULL)
    LIMIT $4) AS found
ORDER BY found.store_id, found.sku

-- name: forget_images_of_rows
-- What has been put back.
DELETE FROM import_rows WHERE import_id = $1 AND row_key = ANY ($2::text[])

-- name: begin_undo
-- An import that is done, or that stopped half way and left something, running again to be undone. The unique index
-- refuses it beside another one of the partner.
UPDATE imports m SET status = 'running', undoing = true, ended_at = NULL, done_share = 0, alive_at = now()
WHERE import_id = $1 AND NOT dry_run
  AND (status = 'done'
       OR status = 'failed' AND report ->> 'code' = 'interrupted'
          AND (report ? 'undo'
               OR EXISTS (SELECT FROM import_rows i WHERE i.import_id = m.import_id)
               OR EXISTS (SELECT FROM import_shelves i WHERE i.import_id = m.import_id)))

-- name: end_undo
-- The end of an undo. $2: whether it came to its end; else the import is again what it was.
UPDATE imports SET undoing = false, ended_at = now(), done_share = 1, version = coalesce($4, version),
    status = CASE WHEN $2 THEN 'undone' WHEN report ->> 'code' = 'interrupted' THEN 'failed' ELSE 'done' END,
    report = report || jsonb_build_object('undo', $3::jsonb)
WHERE import_id = $1 AND undoing

-- name: forget_images
-- What was there before imports that ended longer than $1 ago: they can no longer be undone, or applied.
DELETE FROM import_shelves i USING imports m WHERE m.import_id = i.import_id AND m.ended_at < now() - $1::interval

-- name: forget_images_of_old_rows
-- As forget_images.
DELETE FROM import_rows i USING imports m WHERE m.import_id = i.import_id AND m.ended_at < now() - $1::interval
