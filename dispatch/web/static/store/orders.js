// The orders of one store: what the service tells of them, and what has been asked of them here.

import { act, mayPass } from "../lib/actions.js";
import { get, step } from "../lib/api.js";
import { noteOf } from "./names.js";

const STATUSES = ["confirmed", "accepted", "ready", "failed"];
const DONE = ["picked_up", "delivered", "returned"];
const PAGE = 200;
const MOST_DONE = 30;
const TRIES = 4;

/** Whether an order is one that a store has to do with now. */
function isOpen(order) {
  return STATUSES.includes(order.status);
}

/**
 * `orders` are entries `{order, note, sending}` by order id: `note` is the delivery note once it is there, and `sending`
 * what has been asked and is not answered: `{action, problem, hasFailed}`.
 *
 * `onChange` is called when anything here is different. `onLeft(order, why)` is called when an order has left otherwise
 * than by what was asked here; `onAsked(order, action)` once an action that was asked here is done.
 */
export class StoreOrders {
  orders = new Map();
  isRead = false;
  #storeId;
  #heard;
  // Each time that something is asked of the service has a number, so that a late answer does not undo a newer one.
  #asks = 0;

  constructor(storeId, heard) {
    this.#storeId = storeId;
    this.#heard = heard;
  }

  /** The entries of a status, those that are due first before the others. */
  of(status) {
    return [...this.orders.values()].filter(({ order }) => order.status === status)
      .sort((a, b) => Date.parse(dueOf(a.order)) - Date.parse(dueOf(b.order)));
  }

  /** Read everything anew. Throws what `get` throws; then nothing is changed. */
  async read() {
    const ask = (this.#asks += 1);
    const known = [...this.orders.keys()];
    const told = (await Promise.all(STATUSES.map((status) => this.#list(status)))).flat();
    const there = new Set(told.map((order) => order.order_id));
    for (const order of told) this.#take(order, ask);
    this.isRead = true;
    this.#heard.onChange();
    // An order may go on from one list to the next while they are read; and of one that has left it is said where it is.
    await Promise.all(known.filter((id) => !there.has(id)).map((id) => this.ask(id)));
  }

  /** What has been done lately, newest first. */
  async readDone(since) {
    const query = { store_id: this.#storeId, since, limit: MOST_DONE };
    const pages = await Promise.all(DONE.map((status) => get("/v1/orders", { ...query, status })));
    return pages.flatMap((page) => page.orders).sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at)).slice(0, MOST_DONE);
  }

  /** Ask for one order anew, as after an event of it. */
  async ask(orderId) {
    const ask = (this.#asks += 1);
    try {
      this.#take(await get(`/v1/orders/${step(orderId)}`), ask);
    } catch (problem) {
      if (problem.code !== "order_not_found") throw problem;
      this.orders.delete(orderId);
    }
    this.#heard.onChange();
  }

  /** Ask an action of an order; what becomes of it is heard, and seen in its entry. */
  async act(orderId, action, more = {}) {
    const entry = this.orders.get(orderId);
    if (entry === undefined) return;
    entry.sending?.controller.abort();
    const sending = { action, problem: null, hasFailed: false, controller: new AbortController() };
    entry.sending = sending;
    this.#heard.onChange();
    try {
      const body = { attempt: entry.order.attempt, ...more };
      const order = await act(orderId, action, body, {
        tries: TRIES,
        signal: sending.controller.signal,
        onProblem: (problem) => {
          sending.problem = problem;
          this.#heard.onChange();
        },
      });
      if (entry.sending !== sending) return;
      entry.sending = null;
      this.#take(order, (this.#asks += 1), action);
    } catch (problem) {
      if (problem.name === "AbortError" || entry.sending !== sending) return;
      if (mayPass(problem)) {
        sending.problem = problem;
        sending.hasFailed = true;
      } else {
        // It has moved on: what it is now says more than what was refused.
        entry.sending = null;
        entry.refused = problem;
        await this.ask(orderId).catch(() => {});
      }
    }
    this.#heard.onChange();
  }

  async #list(status) {
    const orders = [];
    let cursor = null;
    do {
      const page = await get("/v1/orders", { store_id: this.#storeId, status, limit: PAGE, cursor });
      orders.push(...page.orders);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return orders;
  }

  #take(order, ask, action = null) {
    const known = this.orders.get(order.order_id);
    if (known !== undefined && (known.ask > ask || Date.parse(known.order.updated_at) > Date.parse(order.updated_at))) return;
    if (action !== null) this.#heard.onAsked(order, action);
    if (!isOpen(order) || order.store?.store_id !== this.#storeId) {
      if (known === undefined) return;
      this.orders.delete(order.order_id);
      if (action === null && known.sending === null) this.#heard.onLeft(order, whyLeft(order, this.#storeId));
      return;
    }
    const entry = known ?? { note: null, refused: null, sending: null };
    const hasNote = entry.note !== null && entry.order.attempt === order.attempt;
    if (entry.order?.status !== order.status) entry.refused = null;
    Object.assign(entry, { order, ask });
    this.orders.set(order.order_id, entry);
    if (!hasNote) this.#readNote(entry);
  }

  /** Names of the goods, until when to accept, and what the customer wishes; a screen without them is still of use. */
  async #readNote(entry) {
    const { order_id: id, attempt } = entry.order;
    try {
      const note = await noteOf(id);
      if (entry.order.attempt !== attempt) return;
      entry.note = note;
      this.#heard.onChange();
    } catch { /* it is asked for again with the next reading */ }
  }
}

/** By when an order is due next: at the counter, while it is there. */
export function dueOf(order) {
  return order.eta?.pickup_by ?? order.promised_by ?? order.created_at;
}

/** Why an order is nothing that a store has to do with any more: a key of its words. */
export function whyLeft(order, storeId) {
  if (order.status === "cancelled") return "left_cancelled";
  if (order.status === "unfulfillable") return "left_unfulfillable";
  if (order.store && order.store.store_id !== storeId) return "left_moved";
  return ["picked_up", "delivered"].includes(order.status) ? "left_picked_up" : "left_other";
}
