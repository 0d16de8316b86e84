-- One-use tickets to streams of events.

-- Whoever cannot send a header with a stream's request asks for a ticket before. Any worker takes it, once.
CREATE TABLE event_tickets (
    ticket_hash bytea       PRIMARY KEY,                       -- SHA-256: who reads the table has no ticket
    store_id    text,                                          -- whose events alone it is for; or
    order_id    text,                                          -- whose; neither: all
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    CHECK (store_id IS NULL OR order_id IS NULL)
);
-- Used by: forget_event_tickets.
CREATE INDEX event_tickets_oldest ON event_tickets (expires_at);
