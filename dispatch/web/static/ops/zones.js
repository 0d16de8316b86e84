// Local times of a store, whose clock may be another than the reader's.

/** A moment with its offset, RFC 3339, of what a clock in an IANA zone shows as `2026-12-24T18:00`. */
export function momentIn(zone, local) {
  const shown = Date.parse(`${local}:00Z`);
  // The offset is that of the moment sought, which the first guess may miss by the change of an hour.
  const first = shown - offsetMs(zone, shown);
  const offset = offsetMs(zone, first);
  const minutes = Math.round(Math.abs(offset) / 60_000);
  const sign = offset < 0 ? "-" : "+";
  const two = (value) => String(value).padStart(2, "0");
  return `${local}:00${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** How far a zone's clock is before UTC at a moment. */
function offsetMs(zone, ms) {
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).formatToParts(new Date(ms)).map((part) => [part.type, part.value]));
  const shown = Date.parse(`${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}Z`);
  return shown - Math.floor(ms / 1000) * 1000;
}
