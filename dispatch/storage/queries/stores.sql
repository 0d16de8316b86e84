-- name: add_partners
-- Partners named in files or bodies are made. $1: distinct.
INSERT INTO partners (partner) SELECT u FROM unnest($1::text[]) AS u ORDER BY u ON CONFLICT DO NOTHING

-- name: add_to_directory
-- Gives new store ids their number, cell and owner, and returns these; ids that are known stay as they are.
INSERT INTO store_directory (store_id, cell, partner)
SELECT u.store_id, $3::bigint, u.partner
FROM unnest($1::text[], $2::text[]) AS u (store_id, partner)
WHERE NOT EXISTS (SELECT FROM store_directory d WHERE d.store_id = u.store_id)  -- a conflict would burn a number
ORDER BY u.store_id
ON CONFLICT (store_id) DO NOTHING
RETURNING store_id, store_no, cell, partner

-- name: lock_directory
-- The directory rows of these ids, locked in order of number, so that a move and a change never cross.
SELECT store_id, store_no, cell, partner
FROM store_directory
WHERE store_id = ANY ($1::text[])
ORDER BY store_no
FOR NO KEY UPDATE

-- name: lock_store_rows
-- Rows of stores of one cell, in service or not, locked in order of number; tells when each was last counted.
SELECT store_no, counted_at, counted_whole_at FROM stores
WHERE cell = $1 AND store_no = ANY ($2::bigint[])
ORDER BY store_no
FOR NO KEY UPDATE

-- name: find_in_directory
-- Number, cell and owner of these ids.
SELECT store_id, store_no, cell, partner FROM store_directory WHERE store_id = ANY ($1::text[])

-- name: partner_stores
-- The stores of a partner that are not removed.
SELECT d.store_id, d.store_no, d.cell, s.timezone
FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
WHERE d.partner = $1 AND s.removed_at IS NULL

-- name: partner_places
-- Where the stores of a partner lie that are not removed, to tell which of them a file moves.
SELECT d.store_id, s.lat, s.lon
FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
WHERE d.partner = $1 AND s.removed_at IS NULL

-- name: store_refs
-- What a stock import must know of each store that may be named in it: owner, cell, time zone.
SELECT d.store_id, d.store_no, d.cell, d.partner, s.timezone
FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
WHERE s.removed_at IS NULL

-- name: some_stores
-- How many stores are in service, and the ids of $1 of them from all over, or of all if there are fewer.
SELECT stores, store_id
FROM (
    SELECT d.store_id, row_number() OVER (ORDER BY d.cell, d.store_no) AS n, count(*) OVER () AS stores
    FROM store_directory d JOIN stores s ON s.cell = d.cell AND s.store_no = d.store_no
    WHERE s.removed_at IS NULL
) AS in_service
WHERE n % greatest(1, stores / $1::int) = greatest(1, stores / $1::int) / 2
ORDER BY n
LIMIT $1::int

-- name: cells_of_stores
-- Where stores lie, by number.
SELECT store_no, cell FROM store_directory WHERE store_no = ANY ($1::bigint[])

-- name: put_stores
-- Writes whole stores of one cell. Returns those that are new or changed; a row that says the same is left alone.
-- $1: cell; then one array a column, in order of store_no, or an empty one of a column in which nothing is said.
INSERT INTO stores (cell, store_no, store_id, partner, lat, lon, timezone, name, brand, region, address, phone,
                    opening_hours, delivery_radius_m, delivery_zone, mode, prepare_s, prepare_line_s,
                    queue_per_order_s, courier_s, handover_s, max_open_orders, active)
SELECT $1::bigint, u.*
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::float8[], $15::bytea[], $16::text[], $17::int[],
            $18::int[], $19::int[], $20::int[], $21::int[], $22::int[], $23::bool[]) AS u
ON CONFLICT (cell, store_no) DO UPDATE SET
    partner = excluded.partner, lat = excluded.lat, lon = excluded.lon, timezone = excluded.timezone,
    name = excluded.name, brand = excluded.brand, region = excluded.region, address = excluded.address,
    phone = excluded.phone, opening_hours = excluded.opening_hours,
    delivery_radius_m = excluded.delivery_radius_m, delivery_zone = excluded.delivery_zone, mode = excluded.mode,
    prepare_s = excluded.prepare_s, prepare_line_s = excluded.prepare_line_s,
    queue_per_order_s = excluded.queue_per_order_s, courier_s = excluded.courier_s,
    handover_s = excluded.handover_s, max_open_orders = excluded.max_open_orders, active = excluded.active,
    removed_at = NULL
WHERE (stores.partner, stores.lat, stores.lon, stores.timezone, stores.name, stores.brand, stores.region,
       stores.address, stores.phone, stores.opening_hours, stores.delivery_radius_m, stores.delivery_zone,
       stores.mode, stores.prepare_s, stores.prepare_line_s, stores.queue_per_order_s, stores.courier_s,
       stores.handover_s, stores.max_open_orders, stores.active, stores.removed_at)
      IS DISTINCT FROM
      (excluded.partner, excluded.lat, excluded.lon, excluded.timezone, excluded.name, excluded.brand, excluded.region,
       excluded.address, excluded.phone, excluded.opening_hours, excluded.delivery_radius_m, excluded.delivery_zone,
       excluded.mode, excluded.prepare_s, excluded.prepare_line_s, excluded.queue_per_order_s, excluded.courier_s,
       excluded.handover_s, excluded.max_open_orders, excluded.active, NULL::timestamptz)
RETURNING store_no, (xmax = 0) AS created

-- name: remove_stores
-- Takes stores of one cell out of service; their shelves and open orders stay.
UPDATE stores SET removed_at = now()
WHERE cell = $1 AND store_no = ANY ($2::bigint[]) AND removed_at IS NULL
RETURNING store_no

-- name: move_directory
-- A store that has moved to another cell.
UPDATE store_directory SET cell = $2 WHERE store_no = $1

-- name: leave_old_cell
-- The old row of a store that has moved away; open orders end on it.
UPDATE stores SET removed_at = now(), closed_during = NULL WHERE cell = $1 AND store_no = $2

-- name: open_new_shelf
-- The shelf of a store that has moved to another cell: on hand less what is reserved there. Where it comes back to a
-- cell, what its old rows there still have reserved lies on the shelf too.
INSERT INTO shelves (cell, store_no, sku_no, price_minor, as_of, moved_at, on_hand, safety_stock, withheld,
                     withheld_until, currency)
SELECT $2::bigint, store_no, sku_no, price_minor, as_of, moved_at, greatest(-1000000000, on_hand - reserved),
       safety_stock, withheld, withheld_until, currency
FROM shelves WHERE cell = $1 AND store_no = $3
ORDER BY sku_no
ON CONFLICT (cell, store_no, sku_no) DO UPDATE SET
    price_minor = excluded.price_minor, as_of = excluded.as_of, moved_at = excluded.moved_at,
    on_hand = least(2147483647, excluded.on_hand::bigint + shelves.reserved)::integer,
    safety_stock = excluded.safety_stock, withheld = excluded.withheld, withheld_until = excluded.withheld_until,
    currency = excluded.currency

-- name: carry_movements
-- The movements of a store that has moved, so that late counts and movements sent again are known in its new cell too.
-- $4: older ones stay behind.
INSERT INTO movements (cell, store_no, movement_id, sku_no, delta, reported, at, reason, client, order_id, written_at)
SELECT $2::bigint, store_no, movement_id, sku_no, delta, reported, at, reason, client, order_id, written_at
FROM movements WHERE cell = $1 AND store_no = $3 AND greatest(at, written_at) > now() - $4::interval
ORDER BY movement_id
ON CONFLICT DO NOTHING

-- name: note_left_behind
-- What stays reserved in the old cell is a movement of the new one: a late count still has it in it.
INSERT INTO movements (cell, store_no, movement_id, sku_no, delta, at, reason, written_at)
SELECT n.cell, n.store_no, 'moved:' || extract(epoch FROM now()) || ':' || n.sku_no, n.sku_no, n.on_hand - o.on_hand,
       greatest(now(), o.as_of + interval '1 us'), 'moved', now()
FROM shelves o JOIN shelves n ON n.store_no = o.store_no AND n.sku_no = o.sku_no
WHERE o.cell = $1 AND n.cell = $2 AND o.store_no = $3 AND n.on_hand <> o.on_hand

-- name: carry_counts
-- The new row of a store that has moved knows when it was last counted, and when its whole shelf was.
UPDATE stores SET counted_at = $3, counted_whole_at = $4 WHERE cell = $1 AND store_no = $2

-- name: counted_whole_at
-- When a store's whole shelf was last counted, and whether it is still in service.
SELECT counted_whole_at, removed_at FROM stores WHERE cell = $1 AND store_no = $2

-- name: read_store
-- One store as its owner described it.
SELECT s.* FROM stores s WHERE s.cell = $1 AND s.store_no = $2 AND s.removed_at IS NULL

-- name: store_of_order
-- What a delivery note tells of a store, in service or not.
SELECT partner, timezone, phone, mode FROM stores WHERE cell = $1 AND store_no = $2

-- name: read_all_stores
-- The stores that a replica holds, in order of place and number.
SELECT s.*, p.stock_stale_after_s
FROM stores s JOIN partners p USING (partner)
WHERE s.removed_at IS NULL
ORDER BY s.cell, s.store_no

-- name: store_numbers
-- Which stores of a cell are in service, for a follower that reads the cell anew.
SELECT store_no FROM stores WHERE cell = $1 AND removed_at IS NULL

-- name: read_some_stores
-- These stores of one cell, for a follower; what is missing in the answer is gone.
SELECT s.*, p.stock_stale_after_s
FROM stores s JOIN partners p USING (partner)
WHERE s.cell = $1 AND s.store_no = ANY ($2::bigint[]) AND s.removed_at IS NULL
