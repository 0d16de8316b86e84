// One order as a card: what is in it, by when, and what can be done with it now.

import { h, show } from "../lib/dom.js";
import { clockUntil, dueTag, secondsUntil } from "../lib/due.js";
import { clockAs, number } from "../lib/format.js";
import { problemText } from "../lib/parts.js";
import { pack, packedOf } from "./seen.js";
import { t } from "./words.js";

const SHORT = 6;
const HURRY_S = 60;

/** An order's id as people can say it: the end of a long one. */
export function shortId(orderId) {
  return orderId.length <= SHORT + 4 ? orderId : `…${orderId.slice(-SHORT)}`;
}

/** The name of what a line is about, as far as it is known. */
export function nameOf(line, note) {
  return note?.lines?.find(({ sku }) => sku === line.sku)?.name ?? line.sku;
}

/** "Barley tea × 2" of all lines, to be said. */
export function linesSaid({ order, note }) {
  return order.lines.map((line) => `${nameOf(line, note)} × ${number(line.quantity)}`).join(", ");
}

/**
 * A card of an entry of StoreOrders: `{element, refresh}`; `refresh` tells the times anew. `does` are what its buttons do:
 * `act(action)`, `decline()`, `handOver()`.
 */
export function orderCard(entry, does) {
  const { order, note } = entry;
  const times = [];
  const heading = h("h3", { tabindex: "-1", title: order.order_id }, t("order", { id: shortId(order.order_id) }));
  const label = t("order", { id: order.order_id });
  const element = h("article", { class: `card order ${order.status}`, "data-order": order.order_id, "aria-label": label },
    h("header", { class: "row" }, heading, note?.customer?.name && h("span", { class: "soft customer" }, note.customer.name)),
    order.status === "confirmed" && acceptWithin(order, note?.accept_by, times),
    lines(entry),
    note?.customer?.note && wish(note.customer.note),
    order.status === "failed" ? null : promise(order, times),
    buttons(entry, does),
    trouble(entry));
  const refresh = () => times.forEach((tell) => tell());
  refresh();
  return { element, heading, refresh };
}

function acceptWithin(order, acceptBy, times) {
  const left = h("span", { class: "left" });
  const bar = h("progress", { "aria-hidden": "true", max: "1" });
  const clock = h("p", { class: "accept-within", role: "timer" }, left, " ", h("span", { class: "soft" }, t("accept_within")), bar);
  times.push(() => {
    // Its place is kept while the moment is not known yet, so that buttons do not move under a finger.
    clock.classList.toggle("unknown", !acceptBy);
    if (!acceptBy) return;
    const leftS = secondsUntil(acceptBy);
    left.textContent = clockUntil(acceptBy);
    bar.value = Math.max(0, leftS * 1000 / (Date.parse(acceptBy) - Date.parse(order.updated_at)));
    clock.classList.toggle("hurry", leftS < HURRY_S);
  });
  return clock;
}

function lines(entry) {
  const { order, note } = entry;
  const isToPack = order.status === "accepted";
  const packed = isToPack ? packedOf(order) : new Set();
  return h("ul", { class: "lines" }, order.lines.map((line) => {
    const said = [
      h("span", { class: "quantity" }, t("piece", { n: number(line.quantity) })),
      h("span", { class: "name" }, nameOf(line, note)),
    ];
    if (!isToPack) return h("li", {}, said);
    const tick = h("input", {
      type: "checkbox", checked: packed.has(line.sku), "data-focus": `pack ${line.sku}`,
      onchange: () => pack(order, line.sku, tick.checked),
    });
    return h("li", {}, h("label", { class: "row" }, tick, said));
  }));
}

/** What the customer wishes. Of a long text there is a beginning, so that what to do stays in sight, and the rest on demand. */
function wish(said) {
  const text = h("p", { class: "wish clamped" }, said);
  const looks = { type: "button", class: "plain small", "aria-expanded": "false", hidden: true };
  const more = h("button", { ...looks, onclick: turn }, t("whole_note"));
  function turn() {
    const isWhole = !text.classList.toggle("clamped");
    more.setAttribute("aria-expanded", String(isWhole));
    more.textContent = t(isWhole ? "less_note" : "whole_note");
  }
  // Whether it is too long is known once it has a width, and may change with that.
  new ResizeObserver(() => text.classList.contains("clamped") && show(more, text.scrollHeight > text.clientHeight + 1)).observe(text);
  return h("div", { class: "notice small" }, text, more);
}

/** What is to be done by when: at the counter, and once it is ready at the door. */
function promise({ status, eta, promised_by: promisedBy }, times) {
  if (eta === null) return null;
  const next = status === "ready" ? eta.deliver_by : eta.pickup_by;
  const { element: left, refresh } = dueTag(next);
  times.push(refresh);
  const isTooLate = promisedBy !== null && Date.parse(eta.deliver_by) > Date.parse(promisedBy);
  const door = h("span", { class: isTooLate ? "bad" : "soft" }, t("door_by", { time: clockAs(eta.deliver_by, eta.pickup_by) }));
  if (status === "ready") return h("p", { class: "promise-line row" }, door, left);
  return h("p", { class: "promise-line row" }, h("span", {}, t("ready_by", { time: clockAs(eta.pickup_by, eta.pickup_by) })), left, door);
}

function buttons({ order, sending }, does) {
  const act = (action, word, kind = "primary big wide") => h("button", {
    type: "button", class: kind, "data-focus": action, "aria-busy": sending?.action === action && !sending.hasFailed ? "true" : null,
    onclick: () => does.act(action),
  }, sending?.action === action && !sending.hasFailed ? t("sending") : t(word));
  const note = h("a", { class: "button plain", href: `#note/${encodeURIComponent(order.order_id)}`, "data-focus": "note" }, t("note"));
  const decline = h("button", { type: "button", class: "plain bad", "data-focus": "decline", onclick: does.decline }, t("decline"));
  const more = (...those) => h("div", { class: "row more" }, those);
  switch (order.status) {
    case "confirmed": return [act("accept", "accept"), more(note, decline)];
    case "accepted": return [act("ready", "ready", "primary wide"), more(note, decline)];
    case "ready": return [
      h("button", { type: "button", class: "primary wide", "data-focus": "hand-over", onclick: does.handOver }, t("hand_over")),
      more(note, decline),
    ];
    case "failed": return [act("return", "came_back", "wide"), more(note)];
    default: return [];
  }
}

function trouble({ sending, refused }) {
  if (sending?.hasFailed) return h("p", { class: "notice bad", role: "alert" }, `${problemText(sending.problem)} ${t("not_sent")}`);
  if (sending?.problem) return h("p", { class: "notice", role: "status" }, t("sending_again"));
  if (!refused) return null;
  const hasMoved = ["invalid_transition", "wrong_attempt"].includes(refused.code);
  return h("p", { class: "notice bad", role: "alert" }, hasMoved ? t("moved_on") : problemText(refused));
}
