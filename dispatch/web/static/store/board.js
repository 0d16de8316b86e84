// The lists of the screen: new orders, those being prepared, those that wait, those that come back, those of today.

import { announcer, fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { statusWord } from "../lib/parts.js";
import { linesSaid, orderCard, shortId } from "./card.js";
import { t } from "./words.js";

const SECTIONS = [
  ["confirmed", "new_orders", "none_new"],
  ["accepted", "preparing", "none_preparing"],
  ["ready", "waiting", "none_waiting"],
  ["failed", "coming_back", null],
];

/** The board of StoreOrders. `does(entry)` are what a card's buttons do; `readDone()` tells what is done today, `clock` the time. */
export class Board {
  element;
  say = announcer();
  #orders;
  #does;
  #sections;
  #cards = new Map();
  #notices = h("ul", { class: "list stack notices" });
  #done;

  constructor(orders, { does, readDone, clock }) {
    this.#orders = orders;
    this.#does = does;
    this.#sections = SECTIONS.map(([status, word, none]) => section(status, word, none));
    this.#done = doneSection(readDone, clock);
    this.element = h("div", { class: "board" }, this.#notices, this.#sections.map(({ element }) => element), this.#done.element);
  }

  /** Draw what has changed. A card that is the same stays the same element, with the reader's place in it. */
  draw() {
    const focused = focusIn(this.element);
    for (const { status, list, count, none, element } of this.#sections) {
      const entries = this.#orders.of(status);
      const cards = entries.map((entry) => this.#card(entry));
      if (cards.some((card, i) => list.children[i]?.firstChild !== card.element) || list.children.length !== cards.length) {
        fill(list, cards.map((card) => h("li", {}, card.element)));
      }
      count.textContent = entries.length === 0 ? "" : number(entries.length);
      if (none !== null) show(none, entries.length === 0);
      else show(element, entries.length > 0);
    }
    for (const id of this.#cards.keys()) if (!this.#orders.orders.has(id)) this.#cards.delete(id);
    this.#focusAgain(focused);
    this.#done.refresh();
  }

  /** Tell all times anew. */
  tick() {
    for (const { card } of this.#cards.values()) card.refresh();
  }

  /** A line on top that stays until somebody has read it. */
  notify(text) {
    const line = h("li", { class: "notice row" }, h("span", {}, text),
      h("button", { type: "button", class: "end", onclick: () => line.remove() }, t("understood")));
    this.#notices.prepend(line);
    this.say(text);
  }

  #card(entry) {
    const id = entry.order.order_id;
    // What a card shows, as a text: when it is the same, so is the card.
    const { order, note, sending, refused } = entry;
    const shown = JSON.stringify([order, note, sending?.action, sending?.hasFailed, Boolean(sending?.problem), refused?.code]);
    const known = this.#cards.get(id);
    if (known?.shown === shown) return known.card;
    if (known === undefined && order.status === "confirmed") this.say(t("new_order_said", { lines: linesSaid(entry) }));
    const card = orderCard(entry, this.#does(entry));
    this.#cards.set(id, { shown, card });
    return card;
  }

  #focusAgain(focused) {
    if (focused === null || focused.element.isConnected) return;
    const card = this.#cards.get(focused.order)?.card;
    if (card === undefined) this.#sections[0].heading.focus();
    else (card.element.querySelector(`[data-focus="${CSS.escape(focused.what ?? "")}"]`) ?? card.heading).focus();
  }
}

function section(status, word, none) {
  const id = `orders-${status}`;
  const count = h("span", { class: "count" });
  const heading = h("h2", { id, tabindex: "-1" }, t(word), " ", count);
  const list = h("ul", { class: "list stack" });
  const nothing = none === null ? null : h("p", { class: "soft none" }, t(none));
  const element = h("section", { class: `stack orders ${status}`, "aria-labelledby": id }, heading, nothing, list);
  return { status, element, heading, list, count, none: nothing };
}

function doneSection(readDone, clock) {
  const list = h("ul", { class: "list" });
  const nothing = h("p", { class: "soft none" }, t("none_done"));
  const element = h("details", { class: "orders done" }, h("summary", {}, h("h2", {}, t("done_today"))), nothing, list);
  let isReading = false;

  async function refresh() {
    if (!element.open || isReading) return;
    isReading = true;
    try {
      const orders = await readDone();
      show(nothing, orders.length === 0);
      fill(list, orders.map((order) => h("li", { class: "row" },
        h("a", { href: `#note/${encodeURIComponent(order.order_id)}`, title: order.order_id }, t("order", { id: shortId(order.order_id) })),
        h("span", { class: "soft end" }, t("handed_at", { status: statusWord(order.status), time: clock(order.updated_at) })))));
    } catch { /* it is read again with the next change */ } finally {
      isReading = false;
    }
  }

  element.addEventListener("toggle", refresh);
  return { element, refresh };
}

/** Where the reader is, to find it again when its card is made anew. */
function focusIn(board) {
  const element = document.activeElement;
  if (element === null || !board.contains(element)) return null;
  const order = element.closest("[data-order]");
  return order === null ? null : { element, order: order.dataset.order, what: element.dataset.focus };
}
