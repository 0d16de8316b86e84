// Who can bring it: the store, when, for how much, why no other, and who else.

import { fill, h } from "../lib/dom.js";
import { clock, distance, duration, money, number } from "../lib/format.js";
import { promiseBar } from "../lib/parts.js";
import { passedOver } from "./passed_over.js";
import { nameOf, state } from "./state.js";
import { counted, t } from "./words.js";

/** The answer of a quote that can be met. `names` are those of stores; `onLook(store)` draws another one's way. */
export function winnerView(quote, names, onLook) {
  const { store, eta } = quote;
  return [
    h("div", { class: "winner" },
      h("p", { class: "winner-store" }, store.name ?? store.store_id, h("span", { class: "soft small" }, distance(store.distance_m))),
      h("p", { class: "winner-time" }, h("strong", {}, duration(eta.total_s)), h("span", {}, t("at_door_by", { time: clock(eta.deliver_by) }))),
      pricesOf(quote.lines)),
    promiseBar(eta),
    h("p", { class: "small certificate" }, certificateText(quote.certificate)),
    quote.alternatives.length === 0 ? null : alternatives(quote.alternatives, onLook),
    passedOver(quote, names),
  ];
}

/** What the lines cost together, and each; of what has no price, that it has none. */
export function pricesOf(lines) {
  const sums = new Map();
  for (const line of lines) {
    if (line.price === null || !line.currency) continue;
    sums.set(line.currency, (sums.get(line.currency) ?? 0) + line.price * line.quantity);
  }
  const isWhole = lines.every((line) => line.price !== null && line.currency);
  const total = [...sums].map(([currency, minor]) => money(minor, currency)).join(" + ");
  return h("div", { class: "prices" },
    h("ul", { class: "lines" }, lines.map((line) => h("li", {},
      h("span", { class: "line-count" }, `${number(line.quantity)} ×`),
      h("span", {}, nameOf(line.sku)),
      h("span", { class: "end" }, line.price === null ? t("price_unknown") : money(line.price * line.quantity, line.currency))))),
    total === "" ? null : h("p", { class: "total" }, h("span", {}, t(isWhole ? "total" : "total_known")), h("strong", {}, total)));
}

function certificateText({ plan, examined, rest_lacks: lacks, next_bound_s: bound }) {
  if (state.onlyHere) return t("certificate_here");
  if (plan === "stock_first" && lacks) return counted("certificate_stock", examined, { name: nameOf(lacks) });
  return bound === null ? counted("certificate_all", examined) : counted("certificate", examined, { bound: duration(bound) });
}

function alternatives(others, onLook) {
  const list = h("ul", { class: "list alternatives" }, others.map(({ store, eta, lines }) => {
    const isPriced = lines.every((line) => line.price !== null && line.currency === lines[0].currency);
    const sum = isPriced ? money(lines.reduce((all, line) => all + line.price * line.quantity, 0), lines[0].currency) : "";
    const look = h("button", { type: "button", class: "small", onclick: () => onLook(store) }, t("show_way"));
    look.setAttribute("aria-label", `${t("show_way")}: ${store.name ?? store.store_id}`);
    return h("li", { class: "row" },
      h("div", { class: "grow" }, h("p", {}, store.name ?? store.store_id),
        h("p", { class: "small soft" }, [distance(store.distance_m), sum].filter((text) => text !== "").join(" · "))),
      h("div", { class: "alternative-time" }, h("strong", {}, duration(eta.total_s)), h("span", { class: "small soft" }, clock(eta.deliver_by))),
      look);
  }));
  return fill(h("div", { class: "stack tight" }), h("h3", {}, t("alternatives")), list);
}
