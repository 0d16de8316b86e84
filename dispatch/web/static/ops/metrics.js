// Figures of GET /metrics, Prometheus' text format.

/** Sums by metric, over all labels: `lifecircle_…` → number. Lines that are no plain sample are left out. */
export function readMetrics(text) {
  const sums = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (found === null || Number.isNaN(Number(found[2]))) continue;
    sums.set(found[1], (sums.get(found[1]) ?? 0) + Number(found[2]));
  }
  return sums;
}
