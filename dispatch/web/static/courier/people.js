// Who is waiting for it, and what is in it.

import { h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { t } from "./words.js";

/** A button that calls a number; null for what is none. */
export function callButton(phone, word) {
  const digits = phone.replace(/[^\d+*#]/g, "");
  if (digits.length < 3) return h("p", { class: "mono" }, phone);
  return h("a", { class: "button wide call", href: `tel:${digits}` }, t(word, { phone }));
}

/** The customer: name, call, what they wish; null where nothing is told. */
export function customerPart(customer) {
  if (!customer || !(customer.name || customer.phone || customer.note)) return null;
  return h("section", { class: "card stack customer" }, h("h2", {}, t("customer")),
    customer.name && h("p", { class: "large" }, customer.name),
    customer.note && h("p", { class: "notice wish" }, customer.note),
    customer.phone && callButton(customer.phone, "call"));
}

/** What is in the bag. */
export function goodsPart({ lines, order_id: id }) {
  const all = lines.reduce((sum, line) => sum + line.quantity, 0);
  return h("section", { class: "card stack goods" },
    h("div", { class: "row" }, h("h2", {}, t("goods")), h("span", { class: "soft end" }, t("pieces", { n: number(all) }))),
    h("ul", { class: "lines" }, lines.map((line) => h("li", {},
      h("span", { class: "quantity" }, t("piece", { n: number(line.quantity) })), h("span", { class: "name" }, line.name ?? line.sku)))),
    h("p", { class: "soft small order-id" }, t("order", { id })));
}

/** "Barley tea × 2, …" */
export function linesSaid(lines) {
  return lines.map((line) => `${line.name ?? line.sku} × ${number(line.quantity)}`).join(", ");
}
