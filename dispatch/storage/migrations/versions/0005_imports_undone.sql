-- What was there before an import, so that it can be put back, and so that a dry run's file is applied to what it saw.

ALTER TABLE imports
    DROP CONSTRAINT imports_partner_fkey,                      -- a dry run of a new partner does not make it
    DROP CONSTRAINT imports_status_check,
    ADD CONSTRAINT imports_status_check CHECK (status IN ('running', 'done', 'failed', 'undone')),
    ADD COLUMN asked   jsonb NOT NULL DEFAULT '{}',            -- the parameters, to apply the file of a dry run with
    ADD COLUMN applies text REFERENCES imports (import_id),    -- the dry run whose file this is
    ADD COLUMN undoing boolean NOT NULL DEFAULT false,         -- running, to be undone
    ADD COLUMN saw     jsonb NOT NULL DEFAULT '{}';            -- what the rows of a dry run were judged by (what_is_seen)

-- A store or item as it was before an import of these and as that left it; of stores the row, without what orders and
-- counts write there. row_key: store id or partner code. before, after: none where there was or is no such thing.
CREATE TABLE import_rows (
    import_id text  NOT NULL REFERENCES imports ON DELETE CASCADE,
    row_key   text  NOT NULL,
    before    jsonb,
    after     jsonb,
    PRIMARY KEY (import_id, row_key)
);

-- The shelf rows of a store that an import of stock has counted: one array a column, all of one length. was_*: before,
-- null where there was no such row.
CREATE TABLE import_shelves (
    cell               bigint        NOT NULL,
    import_id          text          NOT NULL,
    store_no           bigint        NOT NULL,
    kept_at            timestamptz   NOT NULL,                 -- with the store locked: what has moved later is known by it
    was_whole_at       timestamptz,                            -- the last whole count before
    whole_at           timestamptz,                            -- the whole count that this was
    new_skus           text[]        NOT NULL,                 -- of a dry run: skus that had no number yet
    sku_no             bigint[]      NOT NULL,
    on_hand            integer[]     NOT NULL,
    price_minor        bigint[]      NOT NULL,
    currency           text[]        NOT NULL,
    safety_stock       integer[]     NOT NULL,
    as_of              timestamptz[] NOT NULL,
    was_on_hand        integer[]     NOT NULL,
    was_price_minor    bigint[]      NOT NULL,
    was_currency       text[]        NOT NULL,
    was_safety_stock   integer[]     NOT NULL,
    was_as_of          timestamptz[] NOT NULL,
    was_moved_at       timestamptz[] NOT NULL,
    was_withheld       integer[]     NOT NULL,
    was_withheld_until timestamptz[] NOT NULL,
    PRIMARY KEY (cell, import_id, store_no)
);
-- Used by: undo, apply, and what forgets old ones.
CREATE INDEX import_shelves_import ON import_shelves (import_id, cell);
