// An order as it goes on: its steps, what happened to it, and what its shopper can still do.

import { get, post, step } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { clock, clockAs, countdown, duration } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { problemNotice } from "../lib/parts.js";
import { askToCancel } from "./cancelling.js";
import { dropToken } from "./caller.js";
import { happened } from "./happened.js";
import { learnName } from "./state.js";
import { steps } from "./steps.js";
import { pricesOf } from "./winner.js";
import { t } from "./words.js";

const CANCELLABLE = new Set(["held", "confirmed", "accepted", "ready"]);
const OVER = new Set(["delivered", "failed", "returned", "cancelled", "expired", "unfulfillable"]);
const PAUSE_MS = 80;

/**
 * The part of the panel for an order. `way` draws its way; `onLeave()` when the shopper wants to go on shopping.
 * `{element, watch(placed, order), stop}`; `order` is the answer that is known already, or null.
 */
export function watchingPart(say, way, onLeave) {
  const title = h("h2", { tabindex: "-1" });
  const body = h("div", { class: "stack" });
  const wrong = h("div", {});
  const live = h("p", { class: "small soft live" });
  const leave = h("button", { type: "button", class: "wide", onclick: () => onLeave() }, t("order_more"));
  const element = h("section", { class: "part watching", hidden: true }, h("div", { class: "row" }, title, live), wrong, body, leave);
  let placed = null;
  let order = null;
  let events = [];
  let end = null;
  let ticking = null;
  let reading = null;
  let shownAt = null;

  function watch(which, known = null) {
    stop();
    placed = which;
    for (const [sku, name] of placed.goods) learnName(sku, name);
    order = null;
    events = [];
    shownAt = null;
    fill(title, t("order_loading"));
    fill(body);
    show(element, true);
    if (known !== null) draw(known);
    title.focus({ preventScroll: true });
    read();
    end = follow({ order_id: placed.order_id }, {
      onReady: read,
      onEvents: (news) => {
        add(news);
        soon();
      },
      onState: (state) => fill(live, t(state === "live" ? "live" : "reconnecting")),
    });
  }

  function stop() {
    end?.();
    end = null;
    clearInterval(ticking);
    clearTimeout(reading);
    fill(live);
    fill(wrong);
    show(element, false);
  }

  function soon() {
    clearTimeout(reading);
    reading = setTimeout(read, PAUSE_MS);
  }

  async function read() {
    const path = `/v1/orders/${step(placed.order_id)}`;
    const asked = placed;
    try {
      const [now, told] = await Promise.all([get(path, { datum: placed.datum }), get(`${path}/events`)]);
      if (placed !== asked || end === null) return;
      fill(wrong);
      add(told.events);
      draw(now);
    } catch (problem) {
      if (placed !== asked || end === null) return;
      fill(wrong, problem.status === 401 || problem.status === 403 ? tokenGone(problem) : problemNotice(problem, read));
    }
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
    fill(body,
      summary(order, zone),
      OVER.has(order.status) && order.status !== "delivered" ? null : steps(order.status),
      order.status === "held" ? confirming() : null,
      happened(events, zone),
      order.store === null ? null : storeOf(order.store),
      pricesOf(order.lines),
      h("p", { class: "small soft" }, t("order_number", { id: order.order_id })),
      CANCELLABLE.has(order.status) ? cancelling() : null);
    if (wasStatus !== order.status) say(title.textContent);
    if (OVER.has(order.status)) {
      end?.();
      fill(live);
    }
    drawWay();
    tick();
  }

  function drawWay() {
    const at = order.store === null || OVER.has(order.status) ? null : order.store.store_id;
    if (at === shownAt) return;
    shownAt = at;
    if (at === null) way.clear();
    else way.show(order.store, placed.door);
  }

  function confirming() {
    return h("button", { type: "button", class: "primary wide", onclick: () => act("confirm") }, t("confirm"));
  }

  function cancelling() {
    return h("button", { type: "button", class: "danger wide", onclick: async () => (await askToCancel()) && act("cancel") }, t("cancel"));
  }

  async function act(action) {
    fill(wrong);
    for (const button of body.querySelectorAll("button")) button.disabled = true;
    try {
      draw(await post(`/v1/orders/${step(order.order_id)}/${action}`, { datum: placed.datum }));
      title.focus({ preventScroll: true });
      element.scrollIntoView({ block: "start" });
      read();
    } catch (problem) {
      fill(wrong, problem.code === "invalid_transition" ? h("p", { class: "notice", role: "alert" }, t("too_late")) : problemNotice(problem));
      read();
    }
  }

  /** What is left of a hold. */
  function tick() {
    clearInterval(ticking);
    const left = body.querySelector("[data-until]");
    if (left === null) return;
    const say = () => fill(left, countdown((Date.parse(left.dataset.until) - Date.now()) / 1000));
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
