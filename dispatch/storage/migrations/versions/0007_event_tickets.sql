-- One-use tickets to streams of events.

-- Whoever cannot send a header with a stream's request asks for a ticket before. Any worker takes it, once.
CREATE TABLE event_tickets (
    ticket_hash bytea       PRIMARY KEY,                       -- SHA-256: who reads the table has no ticket
    store_id    text,                                          -- whose events alone it is for; or
    order_id    text,                                          -- whose; neither: all
    attempt     integer,                                       -- of the order, beyond which nothing is told
    until       timestamptz,                                   -- when who asked for it has nothing more to be told
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    CHECK (store_id IS NULL OR order_id IS NULL),
    CHECK (attempt IS NULL OR order_id IS NOT NULL)
);
-- Used by: forget_event_tickets.
CREATE INDEX event_tickets_oldest ON event_tickets (expires_at);
