// The orders that are shown, as they come in and change: read once, then kept right by what happens.

import { get, step } from "../lib/api.js";
import { follow } from "../lib/live.js";

const PAGE = 50;
const LONGEST_PAGE = 200;
const GATHER_MS = 250;
const ONE_BY_ONE = 10;

/**
 * Orders by a filter `{status, store_id, since}`, newest first. `onPage(orders, isFirst)` gets pages that were asked for,
 * `onChanged(orders)` those that are shown and have changed, `onArrived(orders)` new ones that match, `onTouched(ids)` whatever
 * has changed at all, `onState` whether it is live, `onProblem` what goes wrong. `{load, more, hasMore, start}`.
 */
export function orderFeed({ onPage, onChanged, onArrived, onTouched, onState, onProblem }) {
  const known = new Map();
  const touched = new Set();
  let filter = {};
  let cursor = null;
  let asking = new AbortController();
  let timer = null;
  let isFlushing = false;
  let hasStarted = false;

  async function load(wanted) {
    filter = wanted;
    cursor = null;
    known.clear();
    asking.abort();
    asking = new AbortController();
    await page(true);
  }

  async function page(isFirst) {
    const { signal } = asking;
    try {
      const told = await get("/v1/orders", { ...filter, limit: PAGE, cursor }, { signal });
      if (signal.aborted) return;
      cursor = told.next_cursor;
      // One that has come in by itself meanwhile is shown already.
      const fresh = told.orders.filter((order) => !known.has(order.order_id));
      for (const order of fresh) known.set(order.order_id, order);
      onPage(fresh, isFirst);
    } catch (problem) {
      if (problem.name !== "AbortError") onProblem(problem);
    }
  }

  /** Follow what happens, from the first time that somebody looks. */
  function start() {
    if (hasStarted) return;
    hasStarted = true;
    follow({}, { onReady: catchUp, onEvents: heard, onState });
  }

  /** What came between the first page and the beginning of the stream. */
  async function catchUp() {
    try {
      take((await get("/v1/orders", { ...filter, limit: PAGE })).orders);
    } catch { /* the page itself has said what is wrong */ }
  }

  function heard(events) {
    onTouched(new Set(events.map((event) => event.order_id)));
    for (const event of events) {
      const isOfOther = filter.store_id && event.store_id !== filter.store_id && !known.has(event.order_id);
      if (!isOfOther) touched.add(event.order_id);
    }
    timer ??= setTimeout(flush, GATHER_MS);
  }

  /** Read what has changed: each by itself, or, when it is many, the newest at once. */
  async function flush() {
    timer = null;
    if (isFlushing || touched.size === 0) return;
    isFlushing = true;
    const { signal } = asking;
    const ids = [...touched];
    touched.clear();
    try {
      let rest = ids;
      if (ids.length > ONE_BY_ONE) {
        const { orders } = await get("/v1/orders", { ...filter, limit: LONGEST_PAGE }, { signal });
        take(orders);
        const seen = new Set(orders.map((order) => order.order_id));
        rest = ids.filter((id) => known.has(id) && !seen.has(id));
      }
      for (let i = 0; i < rest.length; i += ONE_BY_ONE) {
        take(await Promise.all(rest.slice(i, i + ONE_BY_ONE).map((id) => get(`/v1/orders/${step(id)}`, {}, { signal }))));
      }
    } catch (problem) {
      if (problem.name !== "AbortError") {
        for (const id of ids) touched.add(id);
        timer = setTimeout(flush, GATHER_MS * 8);
      }
    } finally {
      isFlushing = false;
      if (touched.size > 0) timer ??= setTimeout(flush, GATHER_MS);
    }
  }

  function take(orders) {
    const changed = [];
    const arrived = [];
    // With nothing left to load, the list is whole.
    const oldest = cursor === null ? "" : [...known.values()].map((order) => order.created_at).sort()[0] ?? "";
    for (const order of orders) {
      const before = known.get(order.order_id);
      if (before === undefined) {
        // An old one that is on no page yet comes with its page.
        if (!matches(order) || order.created_at < oldest) continue;
        known.set(order.order_id, order);
        arrived.push(order);
      } else if (before.updated_at !== order.updated_at || before.status !== order.status) {
        known.set(order.order_id, order);
        changed.push(order);
      }
    }
    if (changed.length > 0) onChanged(changed);
    if (arrived.length > 0) onArrived(arrived.sort((a, b) => (a.created_at < b.created_at ? 1 : -1)));
  }

  function matches(order) {
    if (filter.status && order.status !== filter.status) return false;
    if (filter.store_id && order.store?.store_id !== filter.store_id) return false;
    return !filter.since || Date.parse(order.created_at) >= Date.parse(filter.since);
  }

  return { load, start, more: () => page(false), hasMore: () => cursor !== null, all: () => [...known.values()] };
}
