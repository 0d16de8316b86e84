-- Items: the codes of partners, and imports of them.

-- A partner's own code and what it stands for; units_per_case pieces of the sku are one of what the code counts. The
-- sku need not be one that a shelf has held.
CREATE TABLE partner_items (
    partner        text    NOT NULL REFERENCES partners,
    partner_code   text    NOT NULL CHECK (partner_code <> '' AND length(partner_code) <= 64),
    sku            text    NOT NULL CHECK (sku <> '' AND length(sku) <= 64),
    name           text    CHECK (name <> '' AND length(name) <= 500),
    units_per_case integer NOT NULL CHECK (units_per_case BETWEEN 1 AND 10000),
    PRIMARY KEY (partner, partner_code)
);

ALTER TABLE imports DROP CONSTRAINT imports_kind_check,
    ADD CONSTRAINT imports_kind_check CHECK (kind IN ('stores', 'stock', 'items'));
