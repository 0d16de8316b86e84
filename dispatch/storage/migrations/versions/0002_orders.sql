-- Orders, their reservations and events, movements of stock, and the one function that writes orders.
--
-- An order lies in the cell of its destination, its reservation in that of the store. Everybody locks in one order:
-- orders that are there, then order ids that are new, stores, shelf rows, and the heads of the cells last; each by key.

-- ── Partners, stores, shelves ──────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE partners
    -- When an order's goods leave the shelf: what a count after it no longer finds there.
    ADD goods_leave_at text NOT NULL DEFAULT 'picked_up' CHECK (goods_leave_at IN ('picked_up', 'ready')),
    -- The till rings up our orders without naming them, so that only its own movements may be counted.
    ADD till_reports_orders boolean NOT NULL DEFAULT false;

ALTER TABLE stores
    ADD closed_until timestamptz,                              -- it has said that it is closed
    ADD busy_until timestamptz,                                -- it has said that it is too busy for new orders
    -- The union of its closures, null without any. It stands here, and not in their table alone, because it is what an
    -- order reads under the row's lock: a look into another table would be as old as the statement that waited for it.
    ADD closed_during tstzmultirange CHECK (NOT isempty(closed_during));

-- on_hand may fall below 0 when more is sold than was ever counted: the next count mends it. What is told is 0 then.
ALTER TABLE shelves
    ADD withheld_until timestamptz,
    DROP CONSTRAINT shelves_on_hand_check,
    ADD CHECK (on_hand >= -1000000000),
    ADD CHECK ((withheld > 0) = (withheld_until IS NOT NULL));
-- Room in each page for the next version of a row that is reserved again and again.
ALTER TABLE shelves SET (fillfactor = 90);
ALTER TABLE stores SET (fillfactor = 80);
-- Used by: withheld_due.
CREATE INDEX shelves_withheld ON shelves (cell, withheld_until) WHERE withheld_until IS NOT NULL;

ALTER TABLE changes
    DROP CONSTRAINT changes_kind_check,
    ADD open_orders integer CHECK (open_orders >= 0);
-- load: only the store's number of open orders is another. order: only orders of the cell have changed; every number of
-- a change has a row, so that a missing one is noticed.
ALTER TABLE changes
    ADD CONSTRAINT changes_kind_check CHECK (kind IN ('store', 'shelves', 'shelf', 'load', 'order')),
    ADD CHECK ((kind = 'load') = (open_orders IS NOT NULL));

-- ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- held → confirmed → accepted → ready → picked_up → delivered; held → expired; until ready → cancelled;
-- a decline leads back to confirmed at another store, or to unfulfillable; picked_up → failed → returned.
-- Which change is allowed is decided by dispatch/domain/orders.py; here only that nobody came between.
CREATE TABLE orders (
    cell            bigint      NOT NULL,                      -- of the destination
    client          text        NOT NULL CHECK (client <> '' AND length(client) <= 64),
    order_id        text        NOT NULL CHECK (order_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'),
    revision        integer     NOT NULL CHECK (revision >= 1), -- the seq of its last event
    status          text        NOT NULL CHECK (status IN ('held', 'confirmed', 'accepted', 'ready', 'picked_up',
                        'delivered', 'failed', 'returned', 'cancelled', 'expired', 'unfulfillable')),
    attempt         integer     NOT NULL CHECK (attempt >= 1),
    store_cell      bigint,                                    -- none: unfulfillable
    store_no        bigint,
    due_at          timestamptz,                               -- when a hold expires, or has to be accepted
    hold_expires_at timestamptz,
    promised_by     timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    fingerprint     bytea       NOT NULL,                      -- of the request, to know it again
    channel         text,
    campaign        text,
    request         text        NOT NULL,                      -- JSON: what is asked, to ask it again of others
    customer        text,                                      -- JSON
    store           text,                                      -- JSON, as told; so are the next two
    eta             text,
    lines           text        NOT NULL,                      -- with the prices as placed
    declined_by     text        NOT NULL DEFAULT '[]',         -- JSON: store ids
    PRIMARY KEY (cell, client, order_id),
    CHECK ((store_no IS NULL) = (store_cell IS NULL) AND (store_no IS NULL) = (store IS NULL)),
    CHECK ((status = 'unfulfillable') = (store_no IS NULL)),
    CHECK ((due_at IS NOT NULL) = (status IN ('held', 'confirmed'))),
    CHECK ((hold_expires_at IS NOT NULL) = (status IN ('held', 'expired')))
);
-- Used by: find_orders, which know no cell.
CREATE INDEX orders_by_id ON orders (client, order_id);
-- Used by: list_orders, of all and of a store.
CREATE INDEX orders_newest ON orders (created_at DESC);
CREATE INDEX orders_of_store ON orders (store_no, created_at DESC);
-- Used by: due_orders, due_orders_of_cells.
CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL;

-- Append-only; seq without gaps.
CREATE TABLE order_events (
    cell     bigint      NOT NULL,                             -- of the order
    client   text        NOT NULL,
    order_id text        NOT NULL,
    seq      integer     NOT NULL CHECK (seq >= 1),
    head_seq bigint      NOT NULL,                             -- the number of the change of the cell that wrote it
    at       timestamptz NOT NULL,
    event    text        NOT NULL,
    status   text        NOT NULL,
    attempt  integer     NOT NULL,
    store_id text,
    detail   text,                                             -- JSON
    PRIMARY KEY (cell, client, order_id, seq)
);
-- Used by: events_after.
CREATE INDEX order_events_feed ON order_events (cell, head_seq);

-- What open orders hold of a store's shelves; reserved of a shelf row is the sum of these. Gone once the goods leave.
-- Whoever touches them has the store's row locked, and the shelf row, which exists: foreign keys would only look again,
-- 384 times for a batch of 64 orders, a third of its time. dispatch check compares the sums.
CREATE TABLE reservations (
    cell       bigint  NOT NULL,                               -- of the store
    store_no   bigint  NOT NULL,
    client     text    NOT NULL,
    order_id   text    NOT NULL,
    order_cell bigint  NOT NULL,
    sku_no     bigint  NOT NULL,
    quantity   integer NOT NULL CHECK (quantity > 0),
    held_at    timestamptz NOT NULL,
    short      boolean NOT NULL DEFAULT false,                 -- too little is left for it, which is still to be told
    told_short boolean NOT NULL DEFAULT false,                 -- too little is left for it, which its order knows
    PRIMARY KEY (cell, store_no, client, order_id, order_cell, sku_no)
);
-- Used by: short_reservations.
CREATE INDEX reservations_short ON reservations (cell) WHERE short;

-- Marks the reservations for which too little is there, oldest first served, and takes marks back that are not true any
-- more. By shelf row: what is on hand, and whether more is short than was; else what is told already is not told again.
CREATE FUNCTION mark_short(
    p_cell bigint, p_store_nos bigint[], p_sku_nos bigint[], p_on_hands integer[], p_grows boolean[]
) RETURNS void LANGUAGE sql AS $$
    UPDATE reservations r SET short = hit.short, told_short = r.told_short AND hit.short
    FROM (
        SELECT q.store_no, q.client, q.order_id, q.order_cell, q.sku_no, u.grows,
               sum(q.quantity) OVER (PARTITION BY q.store_no, q.sku_no
                                     ORDER BY q.held_at, q.client, q.order_id, q.order_cell) > greatest(0, u.on_hand)
                   AS short
        FROM unnest(p_store_nos, p_sku_nos, p_on_hands, p_grows) AS u (store_no, sku_no, on_hand, grows)
        JOIN reservations q ON q.cell = p_cell AND q.store_no = u.store_no AND q.sku_no = u.sku_no) AS hit
    WHERE r.cell = p_cell AND r.store_no = hit.store_no AND r.client = hit.client AND r.order_id = hit.order_id
      AND r.order_cell = hit.order_cell AND r.sku_no = hit.sku_no
      AND CASE WHEN hit.short THEN NOT r.short AND (hit.grows OR NOT r.told_short) ELSE r.short OR r.told_short END
$$;

-- Sales, receipts, pick-ups: what changed a shelf between two counts. Append-only.
CREATE TABLE movements (
    cell        bigint      NOT NULL,                          -- of the store
    store_no    bigint      NOT NULL,
    movement_id text        NOT NULL CHECK (movement_id <> '' AND length(movement_id) <= 260),
    sku_no      bigint      NOT NULL REFERENCES skus (sku_no),
    delta       integer     NOT NULL,                          -- what it changed, without what was counted before
    reported    integer,                                       -- what the till said; none: not the till's
    at          timestamptz NOT NULL,
    reason      text        NOT NULL,
    client      text,                                          -- the order that it belongs to
    order_id    text,
    written_at  timestamptz NOT NULL,
    PRIMARY KEY (cell, store_no, movement_id),
    FOREIGN KEY (cell, store_no) REFERENCES stores (cell, store_no)
);
-- Used by: add_later_movements.
CREATE INDEX movements_of_row ON movements (cell, store_no, sku_no, at);
-- Used by: forget_movements.
CREATE INDEX movements_oldest ON movements (cell, at);
-- Used by: write_orders, movements_of_orders.
CREATE INDEX movements_of_order ON movements (cell, store_no, order_id) WHERE order_id IS NOT NULL;

-- Orders as they read: a hold that has run out is expired at once, whether that is written down yet or not.
CREATE VIEW orders_now AS
SELECT o.cell, o.client, o.order_id, o.revision,
       CASE WHEN o.status = 'held' AND o.due_at <= clock_timestamp() THEN 'expired' ELSE o.status END AS status,
       o.status AS written_status, o.attempt, o.store_cell, o.store_no, s.store_id, o.due_at, o.hold_expires_at,
       o.promised_by, o.created_at,
       CASE WHEN o.status = 'held' AND o.due_at <= clock_timestamp() THEN o.due_at ELSE o.updated_at END AS updated_at,
       o.fingerprint, o.channel, o.campaign, o.request, o.customer, o.store, o.eta, o.lines, o.declined_by,
       p.goods_leave_at, p.till_reports_orders
FROM orders o
LEFT JOIN stores s ON s.cell = o.store_cell AND s.store_no = o.store_no
LEFT JOIN partners p ON p.partner = s.partner;

-- ── Writing orders ─────────────────────────────────────────────────────────────────────────────────────────────────

-- What write_orders takes: arrays of rows that name each other by position, from 1; 0 is none.
CREATE TYPE order_store AS (cell bigint, store_no bigint, store_id text);
CREATE TYPE order_shelf AS (store integer, cell bigint, store_no bigint, sku_no bigint);
CREATE TYPE order_item AS (
    client text, order_id text,
    revision integer,          -- 0: a new order; else the revision that it must still have
    when_due boolean,          -- only if it has fallen due by the database's clock
    status text, attempt integer,
    due_s integer,             -- when it falls due, seconds from now; none: never
    old_store integer,         -- where it is; 0: nowhere
    goods text,                -- keep | release: the reservation ends | leave: and the goods leave the shelf |
                               -- put_back: and what has left comes back | told_short: keep, but a shortage is told now
    closes_one boolean,        -- it counts no more among the old store's open orders
    takes boolean,             -- what its option wants is to be reserved; else the option only tells a new eta
    closed_until timestamptz,  -- the old store has said that it is closed, or
    busy_s integer,            -- too busy
    declined_by text,          -- none: as it was
    fingerprint bytea, channel text, campaign text, request text, customer text  -- of a new order
);
CREATE TYPE order_option AS (
    item integer, store integer, first_line integer, last_line integer,
    store_told text, eta text, lines text, promised_by timestamptz
);
CREATE TYPE order_line AS (option integer, shelf integer, quantity integer);
CREATE TYPE order_touch AS (item integer, shelf integer, withhold boolean);
CREATE TYPE order_event AS (
    item integer, event text, status text, attempt integer,
    store_id text,             -- none: that of the option
    detail text
);

-- How many more orders a store takes.
CREATE FUNCTION room_of(
    p_max_open_orders integer, p_open_orders integer, p_active boolean, p_removed_at timestamptz,
    p_closed_until timestamptz, p_busy_until timestamptz, p_closed_during tstzmultirange, p_now timestamptz
) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_removed_at IS NOT NULL OR NOT p_active OR p_closed_until > p_now OR p_busy_until > p_now
                     OR p_closed_during @> p_now THEN 0
                ELSE coalesce(p_max_open_orders, 2147483647) - p_open_orders END
$$;

-- The id of an order's own movement of a sku. An order id may hold colons; no other part may, or two could be the same.
CREATE FUNCTION movement_id_of(p_client text, p_order_id text, p_sku text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat('order:', replace(replace(p_client, '%', '%25'), ':', '%3A'), ':', p_order_id, ':',
                  replace(replace(replace(p_sku, '%', '%25'), ':', '%3A'), '#', '%23'))
$$;

-- Gives each item the first of its options for which room and stock suffice, first come first served.
-- p_allowed: by item, the only option to be looked at; -1: all of them; 0: none. Returns each item's option, 0 for none.
CREATE FUNCTION choose_options(
    p_allowed integer[], p_options order_option[], p_lines order_line[], p_room integer[], p_available bigint[]
) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_chosen integer[] := array_fill(0, ARRAY[cardinality(p_allowed)]);
    v_option order_option;
    v_line order_line;
    v_suffices boolean;
BEGIN
    FOR k IN 1 .. cardinality(p_options) LOOP
        v_option := p_options[k];
        CONTINUE WHEN v_chosen[v_option.item] <> 0 OR p_allowed[v_option.item] NOT IN (-1, k);
        v_suffices := p_room[v_option.store] > 0;
        FOR l IN v_option.first_line .. v_option.last_line LOOP
            EXIT WHEN NOT v_suffices;
            v_line := p_lines[l];
            v_suffices := p_available[v_line.shelf] >= v_line.quantity;
        END LOOP;
        CONTINUE WHEN NOT v_suffices;
        v_chosen[v_option.item] := k;
        p_room[v_option.store] := p_room[v_option.store] - 1;
        FOR l IN v_option.first_line .. v_option.last_line LOOP
            v_line := p_lines[l];
            p_available[v_line.shelf] := p_available[v_line.shelf] - v_line.quantity;
        END LOOP;
    END LOOP;
    RETURN v_chosen;
END $$;

-- Writes orders whose destinations lie in one cell: new ones, and changes of those that are there. Each succeeds or
-- fails alone; one call is one transaction, and one round trip. The keys of the items are distinct, p_stores and
-- p_shelves are in order of key, p_options in order of item, a new order has one event.
--
-- outcomes, by item: written | exists: there is an order of that id | changed: it has another revision, its hold has
-- expired, or it is not due | lost: none of its options has room and stock any more. options: which one it got, 0: none.
-- cells, seqs: the heads of the cells that were written to, and of those in which something was lost.
--
-- Rows that are there are looked up by their whole key, in LATERAL subqueries that cannot be planned otherwise, and
-- changed where they were found: joins went through all rows of the cell while nobody had analysed the table.
CREATE FUNCTION write_orders(
    p_cell bigint, p_items order_item[], p_options order_option[], p_lines order_line[], p_touches order_touch[],
    p_stores order_store[], p_shelves order_shelf[], p_events order_event[]
) RETURNS TABLE (outcomes text[], options integer[], written_at timestamptz, cells bigint[], seqs bigint[])
LANGUAGE plpgsql
-- Planned once: to plan it anew each time took a third longer. Without sequential scans, so that ctid = ANY is a look-up.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
DECLARE
    v_now timestamptz;
    v_cell bigint;
    v_store_cells bigint[] := ARRAY(SELECT DISTINCT s.cell FROM unnest(p_stores) AS s ORDER BY s.cell);
    v_n integer;
    v_row record;
    v_item order_item;
    v_option order_option;
    v_store order_store;
    -- By item.
    v_outcome text[];
    v_due_at timestamptz[] := array_fill(NULL::timestamptz, ARRAY[cardinality(p_items)]);
    v_allowed integer[] := array_fill(0, ARRAY[cardinality(p_items)]);
    v_chosen integer[] := v_allowed;
    v_events integer[] := v_allowed;
    -- By store.
    v_locks_store boolean[] := array_fill(false, ARRAY[cardinality(p_stores)]);
    v_room integer[] := array_fill(0, ARRAY[cardinality(p_stores)]);
    v_opens integer[] := v_room;
    v_closed_until timestamptz[] := array_fill(NULL::timestamptz, ARRAY[cardinality(p_stores)]);
    v_busy_s integer[] := array_fill(NULL::integer, ARRAY[cardinality(p_stores)]);
    v_store_at tid[] := array_fill(NULL::tid, ARRAY[cardinality(p_stores)]);
    -- By shelf row.
    v_locks_shelf boolean[] := array_fill(false, ARRAY[cardinality(p_shelves)]);
    v_withholds boolean[] := v_locks_shelf;
    v_available bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_shelves)]);
    v_reserves integer[] := array_fill(0, ARRAY[cardinality(p_shelves)]);
    v_moves integer[] := v_reserves;
    v_moves_at timestamptz[] := array_fill(NULL::timestamptz, ARRAY[cardinality(p_shelves)]);
    v_shelf_at tid[] := array_fill(NULL::tid, ARRAY[cardinality(p_shelves)]);
    -- What is told behind the heads.
    v_movements movements[] := '{}';
    v_short_stores bigint[] := '{}';  -- of a cell, the shelf rows that have less than is reserved
    v_short_skus bigint[] := '{}';
    v_short_on_hands integer[] := '{}';
    v_changes changes[] := '{}';
    v_cells bigint[];
    v_at tid[];
    v_seq bigint;
    v_seqs bigint[] := '{}';
BEGIN
    -- Orders that are there, in order of key.
    v_outcome := ARRAY(SELECT CASE WHEN i.revision = 0 THEN 'lost' ELSE 'changed' END FROM unnest(p_items) AS i);
    FOR v_n IN SELECT i.ordinality FROM unnest(p_items) WITH ORDINALITY AS i
               WHERE i.revision > 0 ORDER BY i.client, i.order_id LOOP
        v_item := p_items[v_n];
        SELECT o.status, o.due_at INTO v_row FROM orders o
        WHERE o.cell = p_cell AND o.client = v_item.client AND o.order_id = v_item.order_id
          AND o.revision = v_item.revision
        FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND;
        v_outcome[v_n] := 'written';
        IF v_item.when_due OR v_row.status = 'held' THEN v_due_at[v_n] := v_row.due_at; END IF;
    END LOOP;
    -- Decided once all are locked, at the moment that is written down: waiting for one, another may have run out.
    v_now := clock_timestamp();
    IF 'written' = ANY (v_outcome) THEN
        FOR n IN 1 .. cardinality(p_items) LOOP
            IF (p_items[n]).when_due <> (v_due_at[n] <= v_now) THEN v_outcome[n] := 'changed'; END IF;
        END LOOP;
    END IF;

    -- Choose without locks, where there is a choice, whatever seems to suffice.
    FOR k IN REVERSE cardinality(p_options) .. 1 LOOP
        v_option := p_options[k];
        CONTINUE WHEN v_outcome[v_option.item] = 'changed';
        IF (p_items[v_option.item]).takes THEN
            v_allowed[v_option.item] := CASE WHEN v_allowed[v_option.item] <> 0 THEN -1 ELSE k END;
        ELSE
            v_chosen[v_option.item] := k;
        END IF;
    END LOOP;
    IF -1 = ANY (v_allowed) THEN
        FOREACH v_cell IN ARRAY v_store_cells LOOP
            FOR v_row IN
                SELECT u.ordinality AS n, s.room FROM unnest(p_stores) WITH ORDINALITY AS u CROSS JOIN LATERAL (
                    SELECT room_of(s.max_open_orders, s.open_orders, s.active, s.removed_at, s.closed_until,
                                   s.busy_until, s.closed_during, v_now) AS room
                    FROM stores s WHERE s.cell = v_cell AND s.store_no = u.store_no OFFSET 0) AS s
                WHERE u.cell = v_cell
            LOOP
                v_room[v_row.n] := v_row.room;
            END LOOP;
            FOR v_row IN
                SELECT h.ordinality AS n, s.available FROM unnest(p_shelves) WITH ORDINALITY AS h CROSS JOIN LATERAL (
                    SELECT s.on_hand::bigint - s.reserved - s.safety_stock - s.withheld AS available
                    FROM shelves s WHERE s.cell = v_cell AND s.store_no = h.store_no AND s.sku_no = h.sku_no
                    OFFSET 0) AS s
                WHERE h.cell = v_cell
            LOOP
                v_available[v_row.n] := v_row.available;
            END LOOP;
        END LOOP;
        v_allowed := choose_options(v_allowed, p_options, p_lines, v_room, v_available);
        -- Rows that are not locked below have nothing.
        v_room := array_fill(0, ARRAY[cardinality(p_stores)]);
        v_available := array_fill(0::bigint, ARRAY[cardinality(p_shelves)]);
    END IF;

    -- Order ids that are new, in order of key. Whoever writes the same one at this moment is waited for here.
    IF 'lost' = ANY (v_outcome) THEN
        FOR v_n IN
            WITH placed AS (
                INSERT INTO orders (cell, client, order_id, revision, status, attempt, store_cell, store_no, due_at,
                                    hold_expires_at, promised_by, created_at, updated_at, fingerprint, channel,
                                    campaign, request, customer, store, eta, lines)
                SELECT p_cell, i.client, i.order_id, 1, i.status, i.attempt, (p_stores[o.store]).cell,
                       (p_stores[o.store]).store_no, v_now + i.due_s * interval '1 s',
                       CASE WHEN i.status = 'held' THEN v_now + i.due_s * interval '1 s' END,
                       CASE WHEN i.status <> 'held' THEN o.promised_by END, v_now, v_now, i.fingerprint, i.channel,
                       i.campaign, i.request, i.customer, o.store_told, o.eta, o.lines
                FROM unnest(p_options) WITH ORDINALITY AS o, LATERAL (SELECT (p_items[o.item]).*) AS i
                WHERE v_allowed[o.item] = o.ordinality AND i.revision = 0
                ORDER BY i.client, i.order_id
                ON CONFLICT (cell, client, order_id) DO NOTHING
                RETURNING client, order_id)
            SELECT i.ordinality FROM placed p
            JOIN unnest(p_items) WITH ORDINALITY AS i ON i.client = p.client AND i.order_id = p.order_id
        LOOP
            v_outcome[v_n] := 'written';
        END LOOP;
        FOR n IN 1 .. cardinality(p_items) LOOP
            CONTINUE WHEN v_outcome[n] <> 'lost' OR v_allowed[n] = 0;
            v_outcome[n] := 'exists';
            v_allowed[n] := 0;
        END LOOP;
    END IF;

    -- Stores, then shelf rows, in order of key: those chosen, and those that orders are at.
    FOR n IN 1 .. cardinality(p_items) LOOP
        CONTINUE WHEN v_outcome[n] <> 'written';
        v_item := p_items[n];
        IF v_item.old_store > 0 THEN v_locks_store[v_item.old_store] := true; END IF;
        CONTINUE WHEN v_allowed[n] = 0;
        v_option := p_options[v_allowed[n]];
        v_locks_store[v_option.store] := true;
        FOR l IN v_option.first_line .. v_option.last_line LOOP
            v_locks_shelf[(p_lines[l]).shelf] := true;
        END LOOP;
    END LOOP;
    FOR v_row IN SELECT t.shelf, t.item FROM unnest(p_touches) AS t LOOP
        CONTINUE WHEN v_outcome[v_row.item] <> 'written';
        v_locks_shelf[v_row.shelf] := true;
    END LOOP;
    FOREACH v_cell IN ARRAY v_store_cells LOOP
        FOR v_row IN
            SELECT u.ordinality AS n, s.room, s.at FROM unnest(p_stores) WITH ORDINALITY AS u CROSS JOIN LATERAL (
                SELECT s.ctid AS at, room_of(s.max_open_orders, s.open_orders, s.active, s.removed_at, s.closed_until,
                                             s.busy_until, s.closed_during, v_now) AS room
                FROM stores s WHERE s.cell = v_cell AND s.store_no = u.store_no
                FOR NO KEY UPDATE) AS s
            WHERE u.cell = v_cell AND v_locks_store[u.ordinality]
        LOOP
            v_room[v_row.n] := v_row.room;
            v_store_at[v_row.n] := v_row.at;
        END LOOP;
    END LOOP;
    FOREACH v_cell IN ARRAY v_store_cells LOOP
        FOR v_row IN
            SELECT h.ordinality AS n, s.* FROM unnest(p_shelves) WITH ORDINALITY AS h CROSS JOIN LATERAL (
                SELECT s.ctid AS at, s.on_hand::bigint - s.reserved - s.safety_stock - s.withheld AS available,
                       greatest(v_now, s.as_of + interval '1 us') AS moves_at
                FROM shelves s WHERE s.cell = v_cell AND s.store_no = h.store_no AND s.sku_no = h.sku_no
                FOR NO KEY UPDATE) AS s
            WHERE h.cell = v_cell AND v_locks_shelf[h.ordinality]
        LOOP
            v_available[v_row.n] := v_row.available;
            v_moves_at[v_row.n] := v_row.moves_at;
            v_shelf_at[v_row.n] := v_row.at;
        END LOOP;
    END LOOP;

    -- Look again, now that nobody can come between. What loses goes into the next round.
    FOR v_row IN SELECT c.k, c.n FROM unnest(choose_options(v_allowed, p_options, p_lines, v_room, v_available))
                 WITH ORDINALITY AS c (k, n) LOOP
        IF v_row.k > 0 THEN
            v_chosen[v_row.n] := v_row.k;
        ELSIF v_outcome[v_row.n] = 'written' AND (p_items[v_row.n]).takes THEN
            v_item := p_items[v_row.n];
            v_outcome[v_row.n] := 'lost';
            IF v_item.revision = 0 THEN
                DELETE FROM orders o
                WHERE o.cell = p_cell AND o.client = v_item.client AND o.order_id = v_item.order_id;
            END IF;
        END IF;
    END LOOP;

    -- What it comes to, by store and shelf row.
    FOR v_row IN SELECT t.shelf, t.item FROM unnest(p_touches) AS t WHERE t.withhold LOOP
        IF v_outcome[v_row.item] = 'written' THEN v_withholds[v_row.shelf] := true; END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(p_items) LOOP
        CONTINUE WHEN v_outcome[n] <> 'written';
        v_item := p_items[n];
        IF v_item.takes THEN
            v_option := p_options[v_chosen[n]];
            v_opens[v_option.store] := v_opens[v_option.store] + 1;
            FOR l IN v_option.first_line .. v_option.last_line LOOP
                v_reserves[(p_lines[l]).shelf] := v_reserves[(p_lines[l]).shelf] + (p_lines[l]).quantity;
            END LOOP;
        END IF;
        CONTINUE WHEN v_item.old_store = 0;
        v_store := p_stores[v_item.old_store];
        IF v_item.closes_one THEN v_opens[v_item.old_store] := v_opens[v_item.old_store] - 1; END IF;
        v_closed_until[v_item.old_store] := greatest(v_closed_until[v_item.old_store], v_item.closed_until);
        v_busy_s[v_item.old_store] := greatest(v_busy_s[v_item.old_store], v_item.busy_s);
        IF v_item.goods IN ('release', 'leave', 'put_back') THEN
            -- A reservation that the till's own movement has ended already is not there any more.
            FOR v_row IN
                WITH ended AS (
                    DELETE FROM reservations r
                    WHERE r.cell = v_store.cell AND r.store_no = v_store.store_no AND r.client = v_item.client
                      AND r.order_id = v_item.order_id AND r.order_cell = p_cell
                    RETURNING r.sku_no, r.quantity)
                SELECT e.sku_no, e.quantity, k.sku, t.shelf
                FROM ended e JOIN skus k ON k.sku_no = e.sku_no
                LEFT JOIN unnest(p_touches) AS t ON t.item = n AND (p_shelves[t.shelf]).sku_no = e.sku_no
            LOOP
                IF v_row.shelf IS NULL THEN RAISE EXCEPTION 'a reservation of a shelf row that was not named'; END IF;
                v_reserves[v_row.shelf] := v_reserves[v_row.shelf] - v_row.quantity;
                CONTINUE WHEN v_item.goods <> 'leave';
                v_moves[v_row.shelf] := v_moves[v_row.shelf] - v_row.quantity;
                v_movements := v_movements || ROW(
                    v_store.cell, v_store.store_no,
                    concat(movement_id_of(v_item.client, v_item.order_id, v_row.sku),
                           CASE WHEN v_item.attempt > 1 THEN '#' || v_item.attempt END),
                    v_row.sku_no, -v_row.quantity, NULL, v_moves_at[v_row.shelf], 'order', v_item.client,
                    v_item.order_id, v_now)::movements;
            END LOOP;
        END IF;
        IF v_item.goods = 'put_back' THEN
            -- As much as has left for the order, whoever has counted it.
            FOR v_row IN
                SELECT m.sku_no, k.sku, t.shelf, sum(m.delta)::integer AS gone
                FROM movements m JOIN skus k ON k.sku_no = m.sku_no
                LEFT JOIN unnest(p_touches) AS t ON t.item = n AND (p_shelves[t.shelf]).sku_no = m.sku_no
                WHERE m.cell = v_store.cell AND m.store_no = v_store.store_no AND m.order_id = v_item.order_id
                  AND m.client = v_item.client
                GROUP BY m.sku_no, k.sku, t.shelf HAVING sum(m.delta) <> 0
            LOOP
                IF v_row.shelf IS NULL THEN RAISE EXCEPTION 'a movement of a shelf row that was not named'; END IF;
                v_moves[v_row.shelf] := v_moves[v_row.shelf] - v_row.gone;
                v_movements := v_movements || ROW(
                    v_store.cell, v_store.store_no,
                    concat(movement_id_of(v_item.client, v_item.order_id, v_row.sku), '#back', v_item.attempt),
                    v_row.sku_no, -v_row.gone, NULL, v_moves_at[v_row.shelf], 'order_returned', v_item.client,
                    v_item.order_id, v_now)::movements;
            END LOOP;
        ELSIF v_item.goods = 'told_short' THEN
            UPDATE reservations r SET short = false, told_short = true
            WHERE r.cell = v_store.cell AND r.store_no = v_store.store_no AND r.client = v_item.client
              AND r.order_id = v_item.order_id AND r.order_cell = p_cell AND r.short;
        END IF;
    END LOOP;

    -- Write it.
    FOREACH v_cell IN ARRAY v_store_cells LOOP
        v_at := ARRAY(SELECT v_store_at[u.ordinality] FROM unnest(p_stores) WITH ORDINALITY AS u
                      WHERE u.cell = v_cell AND (v_opens[u.ordinality] <> 0 OR v_closed_until[u.ordinality] IS NOT NULL
                                                 OR v_busy_s[u.ordinality] IS NOT NULL));
        v_n := 0;
        FOR v_row IN
            UPDATE stores s SET
                open_orders = s.open_orders + v_opens[array_position(v_store_at, s.ctid)],
                closed_until = greatest(s.closed_until, v_closed_until[array_position(v_store_at, s.ctid)]),
                busy_until = greatest(s.busy_until,
                                      v_now + v_busy_s[array_position(v_store_at, s.ctid)] * interval '1 s')
            WHERE s.cell = v_cell AND s.ctid = ANY (v_at)
            RETURNING s.store_no, s.open_orders
        LOOP
            v_n := v_n + 1;
            v_changes := v_changes || ROW(v_cell, 0, 0, 'load', v_row.store_no, NULL, NULL, NULL, NULL, NULL, v_now,
                                          v_row.open_orders)::changes;
        END LOOP;
        IF v_n <> cardinality(v_at) THEN RAISE EXCEPTION 'a store is not where it was locked'; END IF;
        v_at := ARRAY(SELECT v_shelf_at[h.ordinality] FROM unnest(p_shelves) WITH ORDINALITY AS h
                      WHERE h.cell = v_cell AND (v_reserves[h.ordinality] <> 0 OR v_moves[h.ordinality] <> 0
                                                 OR v_withholds[h.ordinality]));
        v_n := 0;
        FOR v_row IN
            UPDATE shelves s SET
                reserved = s.reserved + v_reserves[array_position(v_shelf_at, s.ctid)],
                on_hand = s.on_hand + v_moves[array_position(v_shelf_at, s.ctid)],
                moved_at = CASE WHEN v_moves[array_position(v_shelf_at, s.ctid)] = 0 THEN s.moved_at
                                ELSE greatest(s.moved_at, v_moves_at[array_position(v_shelf_at, s.ctid)]) END,
                withheld = CASE WHEN v_withholds[array_position(v_shelf_at, s.ctid)]
                                THEN greatest(s.on_hand + v_moves[array_position(v_shelf_at, s.ctid)], 0)
                                ELSE s.withheld END,
                withheld_until = CASE WHEN NOT v_withholds[array_position(v_shelf_at, s.ctid)] THEN s.withheld_until
                                      WHEN s.on_hand + v_moves[array_position(v_shelf_at, s.ctid)] > 0
                                      THEN v_now + interval '24 hours' END
            WHERE s.cell = v_cell AND s.ctid = ANY (v_at)
            RETURNING s.*
        LOOP
            v_n := v_n + 1;
            v_changes := v_changes || ROW(
                v_cell, 0, 0, 'shelf', v_row.store_no, v_row.sku_no,
                greatest(0::bigint, v_row.on_hand::bigint - v_row.reserved - v_row.safety_stock - v_row.withheld),
                v_row.price_minor, v_row.currency, greatest(v_row.as_of, v_row.moved_at), v_now, NULL)::changes;
            CONTINUE WHEN v_row.reserved <= greatest(v_row.on_hand, 0);
            v_short_stores := v_short_stores || v_row.store_no;
            v_short_skus := v_short_skus || v_row.sku_no;
            v_short_on_hands := v_short_on_hands || v_row.on_hand;
        END LOOP;
        IF v_n <> cardinality(v_at) THEN RAISE EXCEPTION 'a shelf row is not where it was locked'; END IF;
        -- An order that was told of a shortage may have taken the goods of one that was not.
        CONTINUE WHEN v_short_stores = '{}';
        PERFORM mark_short(v_cell, v_short_stores, v_short_skus, v_short_on_hands,
                           array_fill(false, ARRAY[cardinality(v_short_stores)]));
        v_short_stores := '{}';
        v_short_skus := '{}';
        v_short_on_hands := '{}';
    END LOOP;
    FOR n IN 1 .. cardinality(p_stores) LOOP
        CONTINUE WHEN v_closed_until[n] IS NULL AND v_busy_s[n] IS NULL;
        v_changes := v_changes || ROW((p_stores[n]).cell, 0, 0, 'store', (p_stores[n]).store_no, NULL, NULL, NULL, NULL,
                                      NULL, v_now, NULL)::changes;
    END LOOP;
    INSERT INTO reservations (cell, store_no, client, order_id, order_cell, sku_no, quantity, held_at)
    SELECT (p_shelves[l.shelf]).cell, (p_shelves[l.shelf]).store_no, (p_items[(p_options[l.option]).item]).client,
           (p_items[(p_options[l.option]).item]).order_id, p_cell, (p_shelves[l.shelf]).sku_no, l.quantity, v_now
    FROM unnest(p_lines) AS l
    WHERE v_chosen[(p_options[l.option]).item] = l.option AND v_outcome[(p_options[l.option]).item] = 'written';
    INSERT INTO movements (cell, store_no, movement_id, sku_no, delta, reported, at, reason, client, order_id, written_at)
    SELECT m.* FROM unnest(v_movements) AS m;
    FOR v_n IN SELECT e.item FROM unnest(p_events) AS e LOOP
        v_events[v_n] := v_events[v_n] + 1;
    END LOOP;
    FOR n IN 1 .. cardinality(p_items) LOOP
        v_item := p_items[n];
        CONTINUE WHEN v_outcome[n] <> 'written' OR v_item.revision = 0;
        v_option := p_options[v_chosen[n]];
        v_store := p_stores[v_option.store];
        UPDATE orders o SET
            revision = o.revision + v_events[n],
            status = v_item.status,
            attempt = v_item.attempt,
            store_cell = CASE WHEN v_item.status = 'unfulfillable' THEN NULL WHEN v_item.takes THEN v_store.cell
                              ELSE o.store_cell END,
            store_no = CASE WHEN v_item.status = 'unfulfillable' THEN NULL WHEN v_item.takes THEN v_store.store_no
                            ELSE o.store_no END,
            store = CASE WHEN v_item.status = 'unfulfillable' THEN NULL WHEN v_item.takes THEN v_option.store_told
                         ELSE o.store END,
            eta = CASE WHEN v_item.status = 'unfulfillable' THEN NULL ELSE coalesce(v_option.eta, o.eta) END,
            due_at = CASE WHEN v_item.status = o.status AND (o.status = 'held' OR NOT v_item.takes) THEN o.due_at
                          ELSE v_now + v_item.due_s * interval '1 s' END,
            hold_expires_at = CASE WHEN v_item.status IN ('held', 'expired') THEN o.hold_expires_at END,
            promised_by = CASE WHEN v_item.status <> 'held' THEN coalesce(o.promised_by, v_option.promised_by) END,
            updated_at = CASE WHEN v_item.status = 'expired' THEN o.hold_expires_at
                              WHEN v_item.goods = 'told_short' THEN o.updated_at ELSE v_now END,
            declined_by = coalesce(v_item.declined_by, o.declined_by)
        WHERE o.cell = p_cell AND o.client = v_item.client AND o.order_id = v_item.order_id;
    END LOOP;

    -- The heads, last and ascending; from here on everything is small.
    v_cells := ARRAY(SELECT DISTINCT c.cell FROM (SELECT s.cell FROM unnest(p_stores) AS s UNION SELECT p_cell) AS c
                     ORDER BY c.cell);
    FOREACH v_cell IN ARRAY v_cells LOOP
        IF v_cell = p_cell AND 'written' = ANY (v_outcome)
           OR EXISTS (SELECT FROM unnest(v_changes) AS c WHERE c.cell = v_cell) THEN
            INSERT INTO cell_heads AS h (cell, seq) VALUES (v_cell, 1)
            ON CONFLICT (cell) DO UPDATE SET seq = h.seq + 1
            RETURNING seq INTO v_seq;
            IF NOT EXISTS (SELECT FROM unnest(v_changes) AS c WHERE c.cell = v_cell) THEN
                v_changes := v_changes || ROW(v_cell, 0, 0, 'order', 0, NULL, NULL, NULL, NULL, NULL, v_now, NULL)::changes;
            END IF;
            INSERT INTO changes (cell, seq, n, kind, store_no, sku_no, available, price_minor, currency, fresh_at,
                                 written_at, open_orders)
            SELECT v_cell, v_seq, row_number() OVER (), c.kind, c.store_no, c.sku_no, c.available, c.price_minor,
                   c.currency, c.fresh_at, c.written_at, c.open_orders
            FROM unnest(v_changes) AS c WHERE c.cell = v_cell;
        ELSE
            SELECT h.seq INTO v_seq FROM cell_heads h WHERE h.cell = v_cell;
        END IF;
        v_seqs := v_seqs || coalesce(v_seq, 0);
        CONTINUE WHEN v_cell <> p_cell;
        INSERT INTO order_events (cell, client, order_id, seq, head_seq, at, event, status, attempt, store_id, detail)
        SELECT p_cell, (p_items[e.item]).client, (p_items[e.item]).order_id,
               (p_items[e.item]).revision + row_number() OVER (PARTITION BY e.item ORDER BY e.ordinality), v_seq, v_now,
               e.event, e.status, e.attempt,
               coalesce(e.store_id, (p_stores[(p_options[v_chosen[e.item]]).store]).store_id), e.detail
        FROM unnest(p_events) WITH ORDINALITY AS e
        WHERE v_outcome[e.item] = 'written';
    END LOOP;
    RETURN QUERY SELECT v_outcome, v_chosen, v_now, v_cells, v_seqs;
END $$;
