// The service's own time, since a phone's clock may be minutes off and a countdown must not be.

// A Date header tells whole seconds, so that less than this is no difference.
const TELLS_FROM_MS = 2_000;
// Of a slow answer nobody knows when on its way the time was told.
const QUICK_MS = 1_500;

let aheadMs = 0;

/** Now, in milliseconds since 1970, by the service's clock as far as its answers have told it. */
export function nowMs() {
  return Date.now() + aheadMs;
}

/** Take the time from an answer that was asked for at `sentMs`. One that a cache may have kept tells an old one. */
export function hearTime(headers, sentMs) {
  const told = Date.parse(headers.get("Date") ?? "");
  if (Date.now() - sentMs > QUICK_MS) return;
  if (Number.isNaN(told) || (headers.get("Cache-Control") ?? "").includes("max-age")) return;
  const ahead = told + 500 - (sentMs + Date.now()) / 2;
  aheadMs = Math.abs(ahead) < TELLS_FROM_MS ? 0 : ahead;
}
