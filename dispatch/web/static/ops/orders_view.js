// Orders as they happen, by status, store and time; and one of them whole.

import { fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { common as said } from "../lib/common_words.js";
import { nowMs } from "../lib/now.js";
import { problemNotice, statusWord } from "../lib/parts.js";
import { orderDetails } from "./order_details.js";
import { orderFeed } from "./order_feed.js";
import { orderList } from "./order_list.js";
import { t } from "./order_words.js";
import { choices, codeInput, field, heading } from "./pieces.js";
import { linkTo } from "./places.js";
import { t as common } from "./words.js";

const STATUSES = [
  "held", "confirmed", "accepted", "ready", "picked_up", "delivered", "failed", "returned", "cancelled", "expired", "unfulfillable",
];
const HOURS = ["1", "24", "168"];
const FAR_PX = 60;

export function ordersView() {
  let place = { status: "", store: "", since: "" };
  let shown = null;
  let opened = null;
  const state = h("span", { class: "tag quiet end", role: "status" });
  const since = field(t("since"), h("select", { onchange: filterChanged },
    choices([["", t("since_any")], ...HOURS.map((one) => [one, t(`since_${one}`)])])));
  const store = field(t("of_store"), codeInput({ type: "search", onchange: filterChanged }));
  const chips = h("div", { class: "chips", role: "group", "aria-label": t("status") });
  const below = h("div", { class: "stack" });
  const counted = h("p", { class: "small soft" });
  const scroller = () => document.getElementById("main");
  const list = orderList({
    isRead: () => scroller().scrollTop > FAR_PX && !pane.hidden,
    toTop: () => scroller().scrollTo({ top: 0 }),
    query: () => place,
    onDropped: (orders) => feed.drop(orders),
    onTooMany: () => feed.load(asked()),
  });
  const feed = orderFeed({
    onPage: (orders, isFirst) => {
      if (isFirst) list.replace(orders);
      else list.append(orders);
      tellBelow();
    },
    onChanged: (orders) => {
      list.change(orders);
      tellCounts();
    },
    onArrived: (orders) => {
      list.arrive(orders);
      tellBelow();
    },
    onLost: (orders) => {
      list.remove(orders);
      tellBelow();
    },
    onTouched: (ids) => opened !== null && ids.has(opened) && details.refresh(),
    onState: (name) => {
      state.textContent = said(name);
      state.className = `tag end ${name === "live" ? "" : "warn"}`;
    },
    onProblem: (problem) => fill(below, problemNotice(problem, () => feed.load(asked()))),
  });
  const details = orderDetails({ back: () => linkTo("orders", null, place) });
  const pane = h("div", { class: "stack" },
    h("div", { class: "row" }, heading(2, common("orders")), state),
    h("form", { class: "row bottom order-filters", role: "search", onsubmit: (event) => {
      event.preventDefault();
      filterChanged();
    } }, store.element, since.element),
    chips, counted, h("div", { class: "card orders-card" }, list.element, below));
  const element = h("section", { class: "view orders" }, pane, details.element);

  function filterChanged() {
    location.hash = linkTo("orders", null, { ...place, store: store.control.value.trim(), since: since.control.value });
  }

  /** The filter as the API takes it. */
  function asked() {
    const from = place.since === "" ? null : new Date(nowMs() - Number(place.since) * 3_600_000).toISOString();
    return { status: place.status, store_id: place.store, since: from };
  }

  function tellBelow() {
    tellCounts();
    const isFiltered = Object.values(place).some((value) => value !== "");
    fill(below, list.isEmpty() && h("p", { class: "soft empty" }, t(isFiltered ? "none_match" : "none")),
      feed.hasMore() && h("button", { type: "button", class: "wide", onclick: () => feed.more() }, common("more")));
  }

  function tellCounts() {
    const loaded = feed.all();
    const total = loaded.length;
    const chip = (status, text, count) => h("a", {
      class: `chip${count === 0 ? " none" : ""}`, href: linkTo("orders", null, { ...place, status }),
      "aria-current": status === place.status ? "true" : null,
    }, text, count !== null && h("span", { class: "chip-count" }, number(count)));
    const focused = chips.contains(document.activeElement) ? [...chips.children].indexOf(document.activeElement) : -1;
    // With a status chosen nothing is known of the others.
    const isKnown = (status) => place.status === "" || place.status === status;
    const countOf = (status) => (isKnown(status) ? loaded.filter((order) => order.status === status).length : null);
    fill(chips, chip("", t("all"), place.status === "" ? total : null),
      STATUSES.map((status) => chip(status, statusWord(status), countOf(status))));
    if (focused >= 0) chips.children[focused].focus();
    counted.textContent = total === 0 ? "" : t(feed.hasMore() ? "counted_loaded" : "counted_all", { n: number(total) });
  }

  return {
    element,
    enter({ what, query }) {
      place = { status: query.get("status") ?? "", store: query.get("store") ?? "", since: query.get("since") ?? "" };
      if (!STATUSES.includes(place.status)) place.status = "";
      if (!HOURS.includes(place.since)) place.since = "";
      const before = opened;
      opened = what;
      element.classList.toggle("has-details", what !== null);
      if (shown !== JSON.stringify(place)) {
        shown = JSON.stringify(place);
        store.control.value = place.store;
        since.control.value = place.since;
        list.loading();
        tellCounts();
        feed.load(asked());
        feed.start();
      }
      list.choose(what);
      show(details.element, what !== null);
      if (what !== null) details.open(what);
      else if (before !== null) list.link(before)?.focus();
    },
  };
}
