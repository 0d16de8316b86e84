-- name: add_event_ticket
-- A ticket that holds for $6 from now on, by the database's clock, which all workers share.
INSERT INTO event_tickets (ticket_hash, store_id, order_id, attempt, until, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval)
RETURNING expires_at

-- name: use_event_ticket
-- Uses a ticket up, if it still holds; of two at once one gets it.
UPDATE event_tickets SET used_at = now() WHERE ticket_hash = $1 AND used_at IS NULL AND expires_at > now()
RETURNING store_id, order_id, attempt, until

-- name: is_event_ticket_used
-- Whether a ticket that does not hold was used; null if it is not known, or not any more.
SELECT used_at IS NOT NULL FROM event_tickets WHERE ticket_hash = $1

-- name: forget_event_tickets
-- Drops tickets that ran out more than $1 ago.
DELETE FROM event_tickets WHERE expires_at < now() - $1::interval
