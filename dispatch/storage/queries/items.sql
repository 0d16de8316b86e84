-- name: partner_items
-- Everything that a partner's codes stand for.
SELECT partner_code, sku, name, units_per_case FROM partner_items WHERE partner = $1

-- name: put_items
-- Writes items of a partner, in order of key, by codes that are all different; tells those that are new or say
-- something else now.
INSERT INTO partner_items (partner, partner_code, sku, name, units_per_case)
SELECT $1, item.* FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[]) item (code, sku, name, units)
ORDER BY item.code
ON CONFLICT (partner, partner_code) DO UPDATE SET
    sku = excluded.sku, name = excluded.name, units_per_case = excluded.units_per_case
WHERE (partner_items.sku, partner_items.name, partner_items.units_per_case)
      IS DISTINCT FROM (excluded.sku, excluded.name, excluded.units_per_case)
RETURNING partner_code, (xmax = 0) AS created

-- name: remove_other_items
-- Drops the codes of a partner that are not among $2.
DELETE FROM partner_items WHERE partner = $1 AND partner_code <> ALL ($2::text[])

-- name: drop_items
-- Drops these codes of a partner.
DELETE FROM partner_items WHERE partner = $1 AND partner_code = ANY ($2::text[])

-- name: known_skus
-- Every sku that a shelf has ever held, in one value: a million rows would take ten times as long to be read.
SELECT array_agg(sku) FROM skus

-- name: find_items
-- Goods one of whose names is like all of the patterns $1, or whose sku begins with $3, $4 or $5, at most $6: those with a
-- name that is like $2 first, then by sku. Of several names of a sku that of a single piece, then by partner and code; skus
-- that no item names have none. Of the skus alone the first are enough: what begins with $2 has a name. All names are read
-- through, 35 to 75 ms for 100,000; shelves are not looked at.
WITH named AS MATERIALIZED (
    SELECT i.sku, i.name, coalesce(i.name ILIKE $2, false) AS begins, i.units_per_case, i.partner, i.partner_code
    FROM partner_items i
    WHERE i.name ILIKE ALL ($1::text[]) OR i.sku ^@ $3 OR i.sku ^@ $4 OR i.sku ^@ $5
    UNION ALL
    (SELECT k.sku, NULL, false, NULL, NULL, NULL FROM skus k
     WHERE k.sku ^@ $3 OR k.sku ^@ $4 OR k.sku ^@ $5
     ORDER BY k.sku LIMIT $6)),
first AS MATERIALIZED (
    SELECT n.sku, bool_or(n.begins) AS begins FROM named n GROUP BY n.sku ORDER BY begins DESC, n.sku LIMIT $6)
SELECT found.sku, found.name
FROM (
    SELECT DISTINCT ON (n.sku) n.sku, n.name, f.begins
    FROM first f JOIN named n ON n.sku = f.sku
    ORDER BY n.sku, n.name IS NULL, n.units_per_case <> 1, n.partner, n.partner_code) AS found
ORDER BY found.begins DESC, found.sku

-- name: items_of_skus
-- The names of these skus, in their order, as find_items tells them, that of the partner $2 before others'; those that
-- neither an item nor a shelf has known are missing.
SELECT DISTINCT ON (u.n) u.sku, i.name
FROM unnest($1::text[]) WITH ORDINALITY AS u (sku, n)
LEFT JOIN partner_items i ON i.sku = u.sku
WHERE i.sku IS NOT NULL OR EXISTS (SELECT FROM skus k WHERE k.sku = u.sku)
ORDER BY u.n, i.name IS NULL, i.units_per_case <> 1, i.partner IS DISTINCT FROM $2, i.partner, i.partner_code
