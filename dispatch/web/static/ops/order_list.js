// Orders as a list that keeps still for whoever reads it: new ones wait above, changes come in place.

import { announcer, fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { statusWord } from "../lib/parts.js";
import { dueOf } from "./order_times.js";
import { t } from "./order_words.js";
import { ago, when } from "./pieces.js";
import { linkTo } from "./places.js";
import { t as common } from "./words.js";

const MARKED_MS = 12_000;
const TICK_MS = 15_000;
const MOST_KEPT = 300;
const MOST_WAITING = 100;
const LOOKS = {
  confirmed: "warn", unfulfillable: "bad", failed: "bad", cancelled: "quiet", expired: "quiet", returned: "quiet", delivered: "quiet",
};
const announce = announcer();

/** A tag that tells the status of an order. */
export function statusTag(status) {
  return h("span", { class: `tag ${LOOKS[status] ?? ""}` }, statusWord(status));
}

/**
 * The list: `{element, replace, append, change, arrive, remove, choose, link, shown}`. `isRead()` tells whether somebody has
 * scrolled down. `onDropped(orders)` hears of what it keeps no longer, `onTooMany()` asks for all anew.
 */
export function orderList({ isRead, toTop, query, onDropped, onTooMany }) {
  const list = h("ul", { class: "list orders-list" });
  const waitingButton = h("button", { class: "primary", type: "button", hidden: true, onclick: () => {
    const isAnew = isOverfull;
    if (isAnew) anew();
    else insertWaiting();
    toTop();
    if (!isAnew) list.querySelector("a")?.focus();
  } });
  const element = h("div", { class: "orders-pane" }, h("div", { class: "waiting" }, waitingButton), list);
  const rows = new Map();
  let waiting = [];
  let isOverfull = false;
  let chosen = null;

  function row(order, mark = null) {
    const link = h("a", { href: linkTo("orders", order.order_id, query()) });
    const one = { link, order, item: h("li", { "data-order": order.order_id }, link), timer: null, key: "" };
    rows.set(order.order_id, one);
    draw(one, mark);
    return one.item;
  }

  function draw(one, mark) {
    const { order, link } = one;
    const due = dueOf(order);
    one.key = keyOf(order);
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

  /** Each to its place: answers overtake each other, so that the one that came last need not be the newest. */
  function insertWaiting() {
    for (const order of waiting) {
      let below = list.firstElementChild;
      while (rows.get(below?.dataset.order)?.order.created_at > order.created_at) below = below.nextElementSibling;
      list.insertBefore(row(order, "is_new"), below);
    }
    waiting = [];
    tellWaiting();
    cut();
  }

  /** The oldest go when it is more than anybody reads: each costs nodes, and time at each tick. */
  function cut() {
    const dropped = [];
    while (rows.size > MOST_KEPT) {
      const one = rows.get(list.lastElementChild?.dataset.order);
      if (one === undefined) break;
      take(one);
      dropped.push(one.order);
    }
    if (dropped.length > 0) onDropped(dropped);
  }

  function take(one) {
    clearTimeout(one.timer);
    rows.delete(one.order.order_id);
    one.item.remove();
  }

  function anew() {
    waiting = [];
    isOverfull = false;
    tellWaiting();
    onTooMany();
  }

  function forgetAll() {
    for (const one of rows.values()) clearTimeout(one.timer);
    rows.clear();
    waiting = [];
    isOverfull = false;
    tellWaiting();
  }

  function tellWaiting() {
    show(waitingButton, waiting.length > 0);
    if (isOverfull) waitingButton.textContent = t("many_waiting", { n: number(MOST_WAITING) });
    else waitingButton.textContent = waiting.length === 1 ? t("one_waiting") : t("waiting", { n: number(waiting.length) });
  }

  setInterval(() => {
    if (element.offsetParent === null) return;
    for (const one of rows.values()) {
      if (!one.link.classList.contains("marked") && one.key !== keyOf(one.order)) draw(one, null);
    }
  }, TICK_MS);

  return {
    element,
    replace(orders) {
      forgetAll();
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
      const all = [...orders, ...waiting].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
      waiting = all.slice(0, MOST_WAITING);
      if (!isOverfull) announce(t("arrived", { n: number(orders.length) }));
      if (all.length > MOST_WAITING) {
        isOverfull = true;
        onDropped(all.slice(MOST_WAITING));
      }
      if (isRead()) tellWaiting();
      else if (isOverfull) anew();
      else insertWaiting();
    },
    remove(orders) {
      for (const { order_id: id } of orders) {
        if (rows.has(id)) take(rows.get(id));
        waiting = waiting.filter((other) => other.order_id !== id);
      }
      tellWaiting();
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
    loading() {
      forgetAll();
      fill(list, h("li", { class: "soft" }, common("loading")));
    },
  };
}

/** What of an order is another as time goes by. */
function keyOf(order) {
  const due = dueOf(order);
  return [due?.text, due?.isLate, ago(order.created_at)].join("|");
}
