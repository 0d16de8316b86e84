-- Closures of stores by date.

-- From starts_at until ends_at, which is no longer part of it, the store is closed, whatever its hours say. Whoever
-- writes here has the store's row locked.
CREATE TABLE closures (
    cell      bigint      NOT NULL,                            -- of the store
    store_no  bigint      NOT NULL,
    starts_at timestamptz NOT NULL,                            -- whole seconds
    ends_at   timestamptz NOT NULL CHECK (ends_at > starts_at AND ends_at < 'infinity'),
    reason    text        CHECK (length(reason) <= 500),
    PRIMARY KEY (cell, store_no, starts_at, ends_at),
    FOREIGN KEY (cell, store_no) REFERENCES stores (cell, store_no)
);
-- Used by: closures_over.
CREATE INDEX closures_oldest ON closures (cell, ends_at);
