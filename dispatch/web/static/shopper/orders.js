// The orders that this tab has placed, so that a reload finds them.

import { mayPass } from "../lib/actions.js";
import { get, step } from "../lib/api.js";
import { keep, kept } from "./kept.js";

const MOST = 20;
const TOO_MANY = 429;

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

/** What is being placed and not answered for yet: as in placedOrders; null of nothing. */
export function placing() {
  return kept("placing");
}

/** Remember an order before it is asked for, so that a reload meanwhile neither loses it nor places it twice; null: no more. */
export function keepPlacing(placed) {
  keep("placing", placed);
}

/**
 * What became of an order that was asked for: the order, or null when it was never placed, which is forgotten then. Throws
 * Problem when nobody can tell.
 */
export async function findPlacing(placed) {
  try {
    return await get(`/v1/orders/${step(placed.order_id)}`, { datum: placed.datum });
  } catch (problem) {
    if (mayPass(problem) || problem.status === TOO_MANY) throw problem;
    if (placing()?.order_id === placed.order_id) keepPlacing(null);
    return null;
  }
}

/** Another shopper looks at this tab. */
export function forgetOrders() {
  keep("orders", null);
  keep("watched", null);
  keep("placing", null);
}
