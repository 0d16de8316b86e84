// The orders that are shown, as they come in and change: read once, then kept right by what happens.

import { get, step } from "../lib/api.js";
import { follow } from "../lib/live.js";

const PAGE = 50;
const LONGEST_PAGE = 200;
const GATHER_MS = 250;
const ONE_BY_ONE = 10;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Orders by a filter `{status, store_id, since}`, newest first. `onPage(orders, isFirst)` gets pages that were asked for,
 * `onChanged(orders)` those that are shown and have changed, `onArrived(orders)` new ones that match, `onLost(orders)` what
 * is no more, `onTouched(ids)` whatever has changed at all, `onState` whether it is live, `onProblem` what goes wrong.
 * `drop(orders)` forgets some that are shown no more. `{load, more, hasMore, start, drop, all}`.
 */
export function orderFeed({ onPage, onChanged, onArrived, onLost, onTouched, onState, onProblem }) {
  const known = new Map();
  const touched = new Set();
  // What could not be read: how often, and when it is tried again, ever more rarely and beside all others.
  const failed = new Map();
  // Where each page began, so that what was dropped at the end can be read again from there.
  let pages = [];
  let filter = {};
  let cursor = null;
  let isCut = false;
  let oldest = "";
  let asking = new AbortController();
  let timer = null;
  let retryTimer = null;
  let isFlushing = false;
  let hasStarted = false;

  async function load(wanted) {
    filter = wanted;
    cursor = null;
    isCut = false;
    oldest = "";
    pages = [];
    known.clear();
    touched.clear();
    failed.clear();
    asking.abort();
    asking = new AbortController();
    await page(true);
  }

  async function page(isFirst) {
    const { signal } = asking;
    try {
      for (;;) {
        const told = await get("/v1/orders", { ...filter, limit: isFirst ? PAGE : LONGEST_PAGE, cursor }, { signal });
        if (signal.aborted) return;
        pages.push({ cursor, newest: told.orders[0]?.created_at ?? "" });
        cursor = told.next_cursor;
        isCut = false;
        oldest = told.orders.at(-1)?.created_at ?? oldest;
        // One that has come in by itself meanwhile is known already.
        const fresh = told.orders.filter((order) => !known.has(order.order_id));
        take(told.orders.filter((order) => known.has(order.order_id)));
        for (const order of fresh) known.set(order.order_id, order);
        if (isFirst) onPage([...known.values()].sort(newestFirst), true);
        else if (fresh.length > 0 || cursor === null) onPage(fresh, false);
        else continue;
        return;
      }
    } catch (problem) {
      if (problem.name !== "AbortError") onProblem(problem);
    }
  }

  /** Forget the oldest, or what came and is shown nowhere; `more` reads them again. */
  function drop(orders) {
    for (const order of orders) known.delete(order.order_id);
    const rest = [...known.values()];
    const last = rest.reduce((least, order) => (order.created_at < least ? order.created_at : least), rest[0]?.created_at ?? "");
    if (!orders.some((order) => order.created_at <= last)) return;
    oldest = last;
    while (pages.length > 0 && pages.at(-1).newest < last) pages.pop();
    cursor = pages.pop()?.cursor ?? null;
    isCut = true;
  }

  /** Follow what happens, from the first time that somebody looks. */
  function start() {
    if (hasStarted) return;
    hasStarted = true;
    follow({}, { onReady: catchUp, onEvents: heard, onState });
  }

  /** What came between the first page and the beginning of the stream. */
  async function catchUp() {
    const { signal } = asking;
    try {
      const { orders } = await get("/v1/orders", { ...filter, limit: PAGE }, { signal });
      if (!signal.aborted) take(orders);
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
      const rest = ids.length > ONE_BY_ONE ? await readNewest(ids, signal) : ids;
      for (let i = 0; i < rest.length && !signal.aborted; i += ONE_BY_ONE) {
        await Promise.all(rest.slice(i, i + ONE_BY_ONE).map((id) => readOne(id, signal)));
      }
    } finally {
      isFlushing = false;
      if (touched.size > 0) timer ??= setTimeout(flush, GATHER_MS);
      retryLater();
    }
  }

  /** Read the newest at once; the answer is which of the ids have to be read by themselves. */
  async function readNewest(ids, signal) {
    try {
      const { orders } = await get("/v1/orders", { ...filter, limit: LONGEST_PAGE }, { signal });
      if (signal.aborted) return [];
      take(orders);
      for (const order of orders) failed.delete(order.order_id);
      const seen = new Set(orders.map((order) => order.order_id));
      for (const id of ids) if (!known.has(id)) failed.delete(id);
      return ids.filter((id) => known.has(id) && !seen.has(id));
    } catch {
      if (!signal.aborted) for (const id of ids) hasFailed(id);
      return [];
    }
  }

  /** Read one; that it fails is of no matter to the others. */
  async function readOne(id, signal) {
    try {
      const order = await get(`/v1/orders/${step(id)}`, {}, { signal });
      if (signal.aborted) return;
      failed.delete(id);
      take([order]);
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 404) lose(id);
      else hasFailed(id);
    }
  }

  function lose(id) {
    failed.delete(id);
    const order = known.get(id);
    known.delete(id);
    if (order !== undefined) onLost([order]);
  }

  function hasFailed(id) {
    const tries = (failed.get(id)?.tries ?? 0) + 1;
    failed.set(id, { tries, at: Date.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) });
  }

  function retryLater() {
    clearTimeout(retryTimer);
    if (failed.size === 0) return;
    const next = Math.min(...[...failed.values()].map(({ at }) => at));
    retryTimer = setTimeout(() => {
      for (const [id, { at }] of failed) if (at <= Date.now()) touched.add(id);
      if (touched.size > 0) flush();
      else retryLater();
    }, Math.max(GATHER_MS, next - Date.now()));
  }

  function take(orders) {
    const changed = [];
    const arrived = [];
    for (const order of orders) {
      const before = known.get(order.order_id);
      if (before === undefined) {
        // An old one that is on no page yet comes with its page. With nothing left to load, the list is whole.
        if (!matches(order) || (hasMore() && order.created_at < oldest)) continue;
        known.set(order.order_id, order);
        arrived.push(order);
      } else if (isNewer(order, before)) {
        known.set(order.order_id, order);
        changed.push(order);
      }
    }
    if (changed.length > 0) onChanged(changed);
    if (arrived.length > 0) onArrived(arrived.sort(newestFirst));
  }

  function matches(order) {
    if (filter.status && order.status !== filter.status) return false;
    if (filter.store_id && order.store?.store_id !== filter.store_id) return false;
    return !filter.since || Date.parse(order.created_at) >= Date.parse(filter.since);
  }

  function hasMore() {
    return cursor !== null || isCut;
  }

  return { load, start, drop, hasMore, more: () => page(false), all: () => [...known.values()] };
}

function newestFirst(a, b) {
  return a.created_at < b.created_at ? 1 : -1;
}

/** Whether an answer tells of a later state than the one that is shown: answers may overtake each other. */
function isNewer(order, before) {
  const [now, then] = [order, before].map(({ updated_at: at }) => momentKey(at));
  return now > then || (now === then && (order.attempt > before.attempt || order.status !== before.status));
}

/** A moment in UTC as a text that sorts: a second that is whole is written without its millionths. */
function momentKey(moment) {
  const [, second, part = ""] = /^([^.Z+]*)(?:\.(\d+))?/.exec(moment);
  return `${second}.${part.padEnd(6, "0")}`;
}
