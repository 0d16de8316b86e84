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

-- The union of the store's closures, null without any. It stands in the store's row too because that is what an order
-- reads under its lock: a look into another table would be as old as the statement that waited for the lock.
ALTER TABLE stores ADD closed_during tstzmultirange CHECK (NOT isempty(closed_during));

-- How many more orders a store takes.
CREATE FUNCTION room_of(
    p_max_open_orders integer, p_open_orders integer, p_active boolean, p_removed_at timestamptz,
    p_closed_until timestamptz, p_busy_until timestamptz, p_closed_during tstzmultirange, p_now timestamptz
) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_removed_at IS NOT NULL OR NOT p_active OR p_closed_until > p_now OR p_busy_until > p_now
                     OR p_closed_during @> p_now THEN 0
                ELSE coalesce(p_max_open_orders, 2147483647) - p_open_orders END
$$;

-- write_orders stays as 0002 made it, but for the two places where it asks for the room of a store.
DO $$
DECLARE
    v_asks text := 's\.closed_until,\s+s\.busy_until, v_now\)';
    v_text text := pg_get_functiondef('write_orders'::regproc);
BEGIN
    IF regexp_count(v_text, v_asks) <> 2 THEN
        RAISE EXCEPTION 'write_orders does not ask for the room of a store in two places';
    END IF;
    EXECUTE regexp_replace(v_text, v_asks, 's.closed_until, s.busy_until, s.closed_during, v_now)', 'g');
END $$;

DROP FUNCTION room_of(integer, integer, boolean, timestamptz, timestamptz, timestamptz, timestamptz);
