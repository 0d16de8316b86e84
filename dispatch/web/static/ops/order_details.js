// One order whole: where it is, when it is due, what has happened, and what can be done.

import { get, step } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { distance, money, number } from "../lib/format.js";
import { problemNotice, promiseBar } from "../lib/parts.js";
import { knows } from "../lib/words.js";
import { icon } from "./icons.js";
import { learnNames, nameOf } from "./items.js";
import { actionsOf } from "./order_actions.js";
import { statusTag } from "./order_list.js";
import { dueOf, storeClock, storeDayAndClock } from "./order_times.js";
import { t, words } from "./order_words.js";
import { heading, span, table } from "./pieces.js";
import { linkTo } from "./places.js";

const PARTS = ["state", "actions", "facts", "promise", "goods", "timeline"];

/** The details of one order at a time: `{element, open, refresh}`; `back()` tells where the list is. */
export function orderDetails({ back }) {
  const top = h("div", { class: "stack" });
  const notice = h("div", { class: "stack", role: "status" });
  const problem = h("div", {});
  const slots = Object.fromEntries(PARTS.map((name) => [name, { element: h("div", {}), key: null }]));
  const body = h("div", { class: "stack", hidden: true }, Object.values(slots).map((slot) => slot.element));
  const element = h("aside", { class: "card stack order-details", hidden: true }, top, notice, problem, body);
  let opened = null;
  let asking = null;

  async function open(orderId) {
    const isOther = opened !== orderId;
    opened = orderId;
    if (isOther) {
      fill(top, backLink(), heading(2, orderId, { class: "mono" }));
      fill(notice);
      fill(problem);
      show(body, false);
      top.querySelector("h2").focus();
    }
    await refresh();
  }

  async function refresh() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const path = `/v1/orders/${step(opened)}`;
      const [order, { events }] = await Promise.all([get(path, {}, { signal }), get(`${path}/events`, {}, { signal })]);
      if (signal.aborted) return;
      fill(problem);
      draw(order, events);
      show(body, true);
      if (order.lines.some((line) => !line.name && nameOf(line.sku) === null)) {
        await learnNames(order.lines.map((line) => line.sku));
        if (!signal.aborted) draw(order, events);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, error.code === "order_not_found" ? h("p", { class: "notice", role: "alert" }, t("no_order", { id: opened }))
        : problemNotice(error, refresh));
    }
  }

  function draw(order, events) {
    const due = dueOf(order);
    const { status, attempt, store, eta, lines } = order;
    put("state", [status, due], () => h("p", { class: "row" }, statusTag(status),
      due && h("span", { class: due.isLate ? "tag bad" : "strong" }, due.text)));
    const isShown = () => opened === order.order_id;
    put("actions", [status, attempt, store?.store_id], () => actionsOf(order, { onDone: refresh, notice, isShown }));
    put("facts", order, () => facts(order));
    put("promise", eta, () => promise(order));
    put("goods", [lines, lines.map((line) => nameOf(line.sku))], () => goods(order));
    put("timeline", events, () => timeline(order, events));
  }

  /** Only what is another now is made anew: what somebody is about to press, or reads, stays. */
  function put(name, told, make) {
    const key = JSON.stringify([opened, told]);
    const { element: slot, key: before } = slots[name];
    if (key === before) return;
    slots[name].key = key;
    const hadFocus = slot.contains(document.activeElement);
    fill(slot, make());
    if (hadFocus) top.querySelector("h2").focus();
  }

  function backLink() {
    return h("a", { class: "back", href: back() }, icon("back"), t("back"));
  }

  return { element, open, refresh };
}

function facts(order) {
  const at = (moment) => moment && h("time", { datetime: moment }, storeDayAndClock(moment, order));
  const { store } = order;
  const told = [
    ["store", store ? h("span", {}, h("a", { href: linkTo("map", store.store_id) }, store.name ?? store.store_id), " ",
      h("span", { class: "soft nowrap-text" }, t("away", { distance: distance(store.distance_m) }))) : t("no_store")],
    ["promised_by", at(order.promised_by)],
    ["hold", at(order.hold_expires_at)],
    ["created", at(order.created_at)],
    ["attempt", order.attempt > 1 && number(order.attempt)],
    ["channel", order.channel],
    ["campaign", order.campaign],
  ];
  return h("dl", { class: "facts" }, told.filter(([, value]) => value !== null && value !== false)
    .map(([name, value]) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, value))));
}

function promise({ eta }) {
  if (eta === null) return null;
  return h("section", { class: "stack" }, heading(3, t("promise")),
    h("dl", { class: "facts" }, ["pickup_by", "deliver_by"].map((name) => h("div", {}, h("dt", {}, t(name)),
      h("dd", { class: "strong" }, eta[name].slice(11, 16))))),
    promiseBar(eta), eta.travel_source === "estimate" && h("p", { class: "small soft" }, t("estimate")));
}

function goods(order) {
  return h("section", { class: "stack" }, heading(3, t("goods")),
    table(t("goods"), [t("item"), [t("quantity"), "number"], [t("price"), "number"]], order.lines.map((line) => {
      const name = line.name ?? nameOf(line.sku);
      const item = h("span", { class: "names" }, name, h("code", { class: "soft" }, line.sku));
      return [item, number(line.quantity), money(line.price, line.currency) || "–"];
    })));
}

function timeline(order, events) {
  return h("section", { class: "stack" }, heading(3, t("timeline")),
    h("ol", { class: "timeline" }, [...events].reverse().map((event) => h("li", { class: `event-${event.event}` },
      h("time", { class: "soft number", datetime: event.at }, storeClock(event.at, order)),
      h("span", { class: "names" }, h("span", {}, knows(words, `event_${event.event}`) ? t(`event_${event.event}`) : event.event),
        h("span", { class: "small soft" }, [event.store_id, detailOf(event)].filter(Boolean).join(" · "))),
      wasLate(order, event) && h("span", { class: "tag bad end" }, t("was_late", { age: wasLate(order, event) }))))),
    h("p", { class: "small soft" }, t("time_of")));
}

function wasLate(order, event) {
  if (event.event !== "delivered" || order.promised_by === null) return null;
  const minutes = Math.ceil((Date.parse(event.at) - Date.parse(order.promised_by)) / 60_000);
  return minutes > 0 ? span(minutes) : null;
}

function detailOf({ detail }) {
  if (detail === null) return "";
  const reason = detail.reason && knows(words, `decline_${detail.reason}`) ? t(`decline_${detail.reason}`) : detail.reason;
  const skus = [...(detail.skus ?? []), ...(detail.lines ?? []).map((line) => line.sku)];
  return [reason, detail.from_store_id && `${detail.from_store_id} →`, skus.join(", ")].filter(Boolean).join(" ");
}
