"""Whether what the tables of orders say of each other is true, by sums of its own."""

from dispatch.storage.pool import Connection

# Each must find nothing.
CHECKS = {
    "reserved is the sum of the reservations": """
        SELECT * FROM shelves s FULL JOIN (
            SELECT cell, store_no, sku_no, sum(quantity) AS held FROM reservations GROUP BY 1, 2, 3
        ) r USING (cell, store_no, sku_no) WHERE coalesce(s.reserved, 0) <> coalesce(r.held, 0)""",
    "open orders are those held, confirmed and accepted": """
        SELECT * FROM stores s LEFT JOIN (
            SELECT store_cell AS cell, store_no, count(*) AS n FROM orders
            WHERE status IN ('held', 'confirmed', 'accepted') GROUP BY 1, 2
        ) o USING (cell, store_no) WHERE s.open_orders <> coalesce(o.n, 0)""",
    "a reservation is at the store of its order": """
        SELECT * FROM reservations r LEFT JOIN orders o
            ON o.cell = r.order_cell AND o.client = r.client AND o.order_id = r.order_id
        WHERE (o.store_cell, o.store_no) IS DISTINCT FROM (r.cell, r.store_no)
           OR o.status NOT IN ('held', 'confirmed', 'accepted', 'ready')""",
    "the revision is the number of events, and the last event says the status": """
        SELECT * FROM orders o, LATERAL (
            SELECT count(*) AS n, max(seq) AS last FROM order_events e
            WHERE (e.cell, e.client, e.order_id) = (o.cell, o.client, o.order_id)) AS e
        WHERE o.revision <> e.n OR e.last <> e.n OR o.status <> (
            SELECT status FROM order_events e
            WHERE (e.cell, e.client, e.order_id, e.seq) = (o.cell, o.client, o.order_id, o.revision))""",
    "no event is without its order": """
        SELECT * FROM order_events e LEFT JOIN orders o USING (cell, client, order_id) WHERE o.revision IS NULL""",
    "what a store's row says of its closures is their union": """
        SELECT * FROM stores s LEFT JOIN (
            SELECT cell, store_no, range_agg(tstzrange(starts_at, ends_at)) AS union_of FROM closures GROUP BY 1, 2
        ) c USING (cell, store_no) WHERE s.closed_during IS DISTINCT FROM c.union_of""",
    "the changes of a cell are numbered without a gap": """
        SELECT * FROM cell_heads h, LATERAL (
            SELECT count(DISTINCT seq) AS n, max(seq) AS last FROM changes c WHERE c.cell = h.cell) AS c
        WHERE c.n <> h.seq OR c.last <> h.seq""",
}


async def assert_books_balance(connection: Connection) -> None:
    for name, query in CHECKS.items():
        rows = await connection.fetch(query)
        assert not rows, f"not true: {name}: {rows[:3]}"
