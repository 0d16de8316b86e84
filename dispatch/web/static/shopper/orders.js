// The orders that this tab has placed, so that a reload finds them.

import { keep, kept } from "./kept.js";

const MOST = 20;

/** Newest first, {order_id, door, datum, goods: [[sku, name]], placed_at}. */
export function placedOrders() {
  return kept("orders") ?? [];
}

export function addOrder(placed) {
  keep("orders", [placed, ...placedOrders().filter((one) => one.order_id !== placed.order_id)].slice(0, MOST));
}

/** The order that is on the screen, or null. */
export function watchedOrder() {
  const id = kept("watched");
  return placedOrders().find((one) => one.order_id === id) ?? null;
}

export function watch(orderId) {
  keep("watched", orderId);
}

/** Another shopper looks at this tab. */
export function forgetOrders() {
  keep("orders", null);
  keep("watched", null);
}
