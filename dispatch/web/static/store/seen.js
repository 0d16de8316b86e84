// Which new orders somebody has looked at, and which lines are packed: what only this screen knows.

import { secondsUntil } from "../lib/due.js";

const PACKED_AS = "lifecircle.store.packed";
// With so little time left, an order calls once more though somebody has seen it.
const LAST_CALL_S = 60;

const seen = new Set();

/** Whether a new order still calls. */
export function calls({ order, note, sending }) {
  return sending === null && !seen.has(keyOf(order, isLastCall(note)));
}

/** Somebody has looked at it. */
export function see({ order, note }) {
  seen.add(keyOf(order, false));
  if (isLastCall(note)) seen.add(keyOf(order, true));
}

function isLastCall(note) {
  return Boolean(note?.accept_by) && secondsUntil(note.accept_by) < LAST_CALL_S;
}

function keyOf(order, isLast) {
  return `${order.order_id} ${order.attempt} ${isLast}`;
}

/** The skus of an order that are packed. */
export function packedOf(order) {
  return new Set(read()[keyOf(order, false)] ?? []);
}

export function pack(order, sku, isPacked) {
  const packed = packedOf(order);
  if (isPacked) packed.add(sku);
  else packed.delete(sku);
  write({ ...read(), [keyOf(order, false)]: [...packed] });
}

/** Forget what is packed of orders other than these. */
export function keepPackedOf(orders) {
  const kept = read();
  const here = new Set(orders.map((order) => keyOf(order, false)));
  if (Object.keys(kept).some((key) => !here.has(key))) {
    write(Object.fromEntries(Object.entries(kept).filter(([key]) => here.has(key))));
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(PACKED_AS) ?? "{}");
  } catch {
    return {};
  }
}

function write(packed) {
  try {
    localStorage.setItem(PACKED_AS, JSON.stringify(packed));
  } catch { /* then ticks are gone after a reload */ }
}
