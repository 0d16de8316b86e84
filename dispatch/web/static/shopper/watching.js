// An order as it goes on: its steps, what happened to it, and what its shopper can still do.

import { mayPass } from "../lib/actions.js";
import { get, post, step } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { clock, clockAs, countdown, duration } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { nowMs } from "../lib/now.js";
import { problemNotice } from "../lib/parts.js";
import { askToCancel } from "./cancelling.js";
import { dropToken } from "./caller.js";
import { happened } from "./happened.js";
import { pieces } from "./pieces.js";
import { learnName, state } from "./state.js";
import { steps } from "./steps.js";
import { pricesOf } from "./winner.js";
import { t } from "./words.js";

const CANCELLABLE = new Set(["held", "confirmed", "accepted", "ready"]);
const OVER = new Set(["delivered", "failed", "returned", "cancelled", "expired", "unfulfillable"]);
const PAUSE_MS = 80;
// Until an order is read again that could not be.
const AGAIN_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
const TOO_MANY = 429;

/**
 * The part of the panel for an order. `way` draws its way; `onLeave()` when the shopper wants to go on shopping.
 * `{element, watch(placed, door, order), stop}`; `door` is where the map has the order's, null where that is not
 * known; `order` is the answer that is known already, or null.
 */
export function watchingPart(say, way, onLeave) {
  const title = h("h2", { tabindex: "-1" });
  const body = h("div", { class: "stack" });
  const wrong = h("div", {});
  const unread = h("div", {});
  const live = h("p", { class: "small soft live" });
  const leave = h("button", { type: "button", class: "wide", onclick: () => onLeave() }, t("order_more"));
  const element = h("section", { class: "part watching", hidden: true }, h("div", { class: "row" }, title, live), unread, wrong, body, leave);
  const put = pieces(body);
  let placed = null;
  let door = null;
  let order = null;
  let events = [];
  let end = null;
  let ticking = null;
  let reading = null;
  let shownAt = null;
  // Each time that the service is asked has a number, so that a late answer does not undo a newer one.
  let asks = 0;
  let taken = 0;
  let failures = 0;
  let toldCode = null;

  function watch(which, at, known = null) {
    stop();
    placed = which;
    door = at;
    for (const [sku, name] of placed.goods) learnName(sku, name);
    order = null;
    events = [];
    shownAt = null;
    fill(title, t("order_loading"));
    put([]);
    show(element, true);
    if (known !== null) draw(known);
    title.focus({ preventScroll: true });
    end = follow({ order_id: placed.order_id }, {
      onEvents: (news) => {
        add(news);
        soon();
      },
      onState: (now) => {
        fill(live, t(now === "live" ? "live" : "reconnecting"));
        // Whatever could not be read while nothing came through is read now.
        if (now === "live") read();
      },
    });
    read();
  }

  function stop() {
    end?.();
    end = null;
    clearInterval(ticking);
    clearTimeout(reading);
    fill(live);
    fill(wrong);
    fill(unread);
    failures = 0;
    toldCode = null;
    show(element, false);
  }

  function soon(ms = PAUSE_MS) {
    clearTimeout(reading);
    reading = setTimeout(read, ms);
  }

  async function read() {
    clearTimeout(reading);
    const path = `/v1/orders/${step(placed.order_id)}`;
    const asked = placed;
    const ask = (asks += 1);
    try {
      const [now, told] = await Promise.all([get(path, { datum: state.datum }), get(`${path}/events`)]);
      if (placed !== asked || end === null) return;
      failures = 0;
      toldCode = null;
      fill(unread);
      add(told.events);
      take(now, ask);
    } catch (problem) {
      if (placed !== asked || end === null || ask < asks) return;
      fail(problem);
    }
  }

  /** What may pass is asked again by itself; it is told once. */
  function fail(problem) {
    const isGone = problem.status === 401 || problem.status === 403;
    if (toldCode !== problem.code) fill(unread, isGone ? tokenGone(problem) : problemNotice(problem, read));
    toldCode = problem.code;
    if (!mayPass(problem) && problem.status !== TOO_MANY) return;
    soon(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
    failures += 1;
  }

  /** What the service told when it was asked, unless something newer is known. */
  function take(now, ask) {
    if (ask < taken || (order !== null && Date.parse(now.updated_at) < Date.parse(order.updated_at))) now = order;
    else taken = ask;
    draw(now);
  }

  function add(news) {
    const known = new Map([...events, ...news].map((event) => [event.seq, event]));
    events = [...known.values()].sort((one, other) => one.seq - other.seq);
  }

  function draw(now) {
    const wasStatus = order?.status;
    order = now;
    fill(title, t(`title_${order.status}`));
    const zone = order.eta?.deliver_by ?? "Z";
    const isGoingOn = !OVER.has(order.status) || order.status === "delivered";
    put([
      ["summary", [order.status, order.eta, order.promised_by, order.hold_expires_at], () => summary(order, zone)],
      ["steps", [order.status], () => (isGoingOn ? steps(order.status) : null)],
      ["confirm", [order.status === "held"], () => (order.status === "held" ? confirming() : null)],
      ["happened", [zone, events], () => happened(events, zone)],
      ["store", [order.store], () => (order.store === null ? null : storeOf(order.store))],
      ["prices", [order.lines], () => pricesOf(order.lines)],
      ["number", [order.order_id], () => h("p", { class: "small soft" }, t("order_number", { id: order.order_id }))],
      ["cancel", [CANCELLABLE.has(order.status)], () => (CANCELLABLE.has(order.status) ? cancelling() : null)],
    ]);
    if (wasStatus !== order.status) say(title.textContent);
    if (OVER.has(order.status)) {
      end?.();
      fill(live);
    }
    drawWay();
    tick();
  }

  function drawWay() {
    const at = order.store === null || door === null || OVER.has(order.status) ? null : order.store.store_id;
    if (at === shownAt) return;
    shownAt = at;
    if (at === null) way.clear();
    else way.show(order.store, door);
  }

  function confirming() {
    return h("button", { type: "button", class: "primary wide", onclick: () => act("confirm") }, t("confirm"));
  }

  function cancelling() {
    return h("button", { type: "button", class: "danger wide", onclick: async () => (await askToCancel()) && act("cancel") }, t("cancel"));
  }

  async function act(action) {
    fill(wrong);
    const asked = placed;
    const pressed = document.activeElement;
    const buttons = [...body.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    try {
      const now = await post(`/v1/orders/${step(order.order_id)}/${action}`, { datum: state.datum });
      if (placed !== asked || end === null) return;
      take(now, (asks += 1));
      title.focus({ preventScroll: true });
      element.scrollIntoView({ block: "start" });
    } catch (problem) {
      if (placed !== asked || end === null) return;
      fill(wrong, problem.code === "invalid_transition" ? h("p", { class: "notice", role: "alert" }, t("too_late")) : problemNotice(problem));
    } finally {
      for (const button of buttons) button.disabled = false;
    }
    if (document.activeElement === document.body) pressed?.focus({ preventScroll: true });
    read();
  }

  /** What is left of a hold. */
  function tick() {
    clearInterval(ticking);
    const left = body.querySelector("[data-until]");
    if (left === null) return;
    const say = () => fill(left, countdown((Date.parse(left.dataset.until) - nowMs()) / 1000));
    say();
    ticking = setInterval(say, 1000);
  }

  return { element, watch, stop };
}

function summary(order, zone) {
  if (order.status === "held") {
    return h("p", { class: "notice" }, t("held_for"), " ", h("strong", { class: "tabular", "data-until": order.hold_expires_at }));
  }
  if (order.status === "delivered") return null;
  if (OVER.has(order.status)) return h("p", { class: "notice" }, t(`over_${order.status}`));
  return h("p", { class: "winner-time" },
    h("strong", {}, clock(order.eta.deliver_by)),
    h("span", {}, t("promised", { time: clockAs(order.promised_by, zone), total: duration(order.eta.total_s) })));
}

function storeOf(store) {
  return h("div", {}, h("p", { class: "strong" }, store.name ?? store.store_id), store.address ? h("p", { class: "small soft" }, store.address) : null);
}

function tokenGone(problem) {
  if (problem.status === 401) dropToken();
  return h("p", { class: "notice", role: "alert" }, t("token_gone"));
}
