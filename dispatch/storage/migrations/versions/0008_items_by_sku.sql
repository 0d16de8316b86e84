-- Items are looked up by what they stand for, too: the names of the lines of an order.

-- Used by: items_of_skus.
CREATE INDEX partner_items_sku ON partner_items (sku);
