-- name: read_partner
-- What holds for a partner's stores.
SELECT partner, stock_stale_after_s, goods_leave_at, till_reports_orders, stock_due_at FROM partners WHERE partner = $1

-- name: put_partner
-- Makes a partner, or has other terms hold for it.
INSERT INTO partners (partner, stock_stale_after_s, goods_leave_at, till_reports_orders, stock_due_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (partner) DO UPDATE SET
    stock_stale_after_s = excluded.stock_stale_after_s, goods_leave_at = excluded.goods_leave_at,
    till_reports_orders = excluded.till_reports_orders, stock_due_at = excluded.stock_due_at
