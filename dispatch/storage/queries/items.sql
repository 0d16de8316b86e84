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

-- name: item_names
-- What a partner calls single pieces of these skus; of several codes for one the first.
SELECT DISTINCT ON (sku) sku, name FROM partner_items
WHERE partner = $1 AND sku = ANY ($2::text[]) AND units_per_case = 1 AND name IS NOT NULL
ORDER BY sku, partner_code
