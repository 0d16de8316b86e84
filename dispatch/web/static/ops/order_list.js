// Orders as a list that keeps still for whoever reads it: new ones wait above, changes come in place.

import { announcer, fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { statusWord } from "../lib/parts.js";
import { dueOf } from "./order_times.js";
import { t } from "./order_words.js";
import { when } from "./pieces.js";
import { linkTo } from "./places.js";
import { t as common } from "./words.js";

const MARKED_MS = 12_000;
const TICK_MS = 15_000;
const LOOKS = {
  confirmed: "warn", unfulfillable: "bad", failed: "bad", cancelled: "quiet", expired: "quiet", returned: "quiet", delivered: "quiet",
};
const announce = announcer();

/** A tag that tells the status of an order. */
export function statusTag(status) {
  return h("span", { class: `tag ${LOOKS[status] ?? ""}` }, statusWord(status));
}

/** The list: `{element, replace, append, change, arrive, choose, link, shown}`. `isRead()` tells whether somebody has scrolled down. */
export function orderList({ isRead, toTop, query }) {
  const list = h("ul", { class: "list orders-list" });
  const waitingButton = h("button", { class: "primary", type: "button", hidden: true, onclick: () => {
    insertWaiting();
    toTop();
    list.querySelector("a")?.focus();
  } });
  const element = h("div", { class: "orders-pane" }, h("div", { class: "waiting" }, waitingButton), list);
  const rows = new Map();
  let waiting = [];
  let chosen = null;

  function row(order, mark = null) {
    const link = h("a", { href: linkTo("orders", order.order_id, query()) });
    const one = { link, order, item: h("li", {}, link), timer: null };
    rows.set(order.order_id, one);
    draw(one, mark);
    return one.item;
  }

  function draw(one, mark) {
    const { order, link } = one;
    const due = dueOf(order);
    const lines = order.lines.length === 1 ? t("one_line") : t("lines", { n: number(order.lines.length) });
    fill(link,
      h("span", { class: "row nowrap" }, statusTag(order.status), h("code", { class: "ellipsis" }, order.order_id),
        mark && h("span", { class: "tag mark-tag" }, t(mark)),
        due && h("span", { class: `end due ${due.isLate ? "tag bad" : ""}` }, due.text)),
      h("span", { class: "row nowrap small soft" },
        h("span", { class: "ellipsis" }, order.store?.name ?? order.store?.store_id ?? t("no_store")),
        h("span", { class: "end nowrap-text" }, lines, " · ", when(order.created_at))));
    link.classList.toggle("marked", mark !== null);
    if (order.order_id === chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    if (mark === null) return;
    clearTimeout(one.timer);
    one.timer = setTimeout(() => draw(one, null), MARKED_MS);
  }

  function insertWaiting() {
    list.prepend(...waiting.map((order) => row(order, "is_new")));
    waiting = [];
    tellWaiting();
  }

  function tellWaiting() {
    show(waitingButton, waiting.length > 0);
    waitingButton.textContent = waiting.length === 1 ? t("one_waiting") : t("waiting", { n: number(waiting.length) });
  }

  setInterval(() => {
    if (element.offsetParent === null) return;
    for (const one of rows.values()) if (!one.link.classList.contains("marked")) draw(one, null);
  }, TICK_MS);

  return {
    element,
    replace(orders) {
      rows.clear();
      waiting = [];
      tellWaiting();
      fill(list, orders.map((order) => row(order)));
    },
    append(orders) {
      list.append(...orders.map((order) => row(order)));
    },
    change(orders) {
      for (const order of orders) {
        const one = rows.get(order.order_id);
        if (one) {
          one.order = order;
          draw(one, "changed");
        } else {
          waiting = waiting.map((other) => (other.order_id === order.order_id ? order : other));
        }
      }
    },
    arrive(orders) {
      waiting = [...orders, ...waiting];
      announce(t("arrived", { n: number(orders.length) }));
      if (isRead()) tellWaiting();
      else insertWaiting();
    },
    choose(orderId) {
      chosen = orderId;
      for (const one of rows.values()) {
        if (one.order.order_id === chosen) one.link.setAttribute("aria-current", "true");
        else one.link.removeAttribute("aria-current");
      }
    },
    insertWaiting,
    link: (orderId) => rows.get(orderId)?.link ?? null,
    isEmpty: () => rows.size + waiting.length === 0,
    loading: () => fill(list, h("li", { class: "soft" }, common("loading"))),
  };
}
