-- When each store was last counted, and when a partner's counts are due.

-- Looked up before anything is locked, for with 40 million shelf rows it takes a while: what is counted meanwhile is
-- noted with the store's next count. What a shelf row begins with that was never counted is no count.
CREATE TEMPORARY TABLE newest_counts ON COMMIT DROP AS
SELECT cell, store_no, max(as_of) AS as_of FROM shelves WHERE as_of > '2000-01-01T00:00:00Z' GROUP BY cell, store_no;

ALTER TABLE partners ADD stock_due_at time;                    -- local time of each store; none: at no time

-- The newest count of anything on its shelf, or of the whole. It stands here, and is not looked up in shelves, because
-- that would read every shelf row. No index: each count would write it too, and the stores are read through in a moment.
ALTER TABLE stores ADD counted_at timestamptz;
UPDATE stores s SET counted_at = greatest(n.as_of, s.counted_whole_at)
FROM (SELECT cell, store_no, c.as_of FROM stores LEFT JOIN newest_counts c USING (cell, store_no)) AS n
WHERE s.cell = n.cell AND s.store_no = n.store_no AND (n.as_of IS NOT NULL OR s.counted_whole_at IS NOT NULL);

-- Used by: last_imports, list_imports.
CREATE INDEX imports_of_partner ON imports (partner, created_at DESC, import_id DESC);
