// The delivery note of one order: whom it goes to, by when, what is in it, the way there, and the courier's code. It prints.

import { step } from "../lib/api.js";
import { showDelivery } from "../lib/delivery_map.js";
import { fill, h, show } from "../lib/dom.js";
import { due } from "../lib/due.js";
import { clockAs, distance, duration, money, number } from "../lib/format.js";
import { problemNotice, statusWord } from "../lib/parts.js";
import { shortId } from "./card.js";
import { courierCode } from "./courier_code.js";
import { noteOf } from "./names.js";
import { t } from "./words.js";

/** A view of the note of an order; `open(orderId)` reads it anew, `element` shows it. */
export function noteView() {
  const body = h("div", { class: "note-body" });
  const heading = h("h2", { tabindex: "-1" });
  const pageLink = h("a", { class: "button", target: "_blank", rel: "noopener" }, t("print_page"));
  const element = h("section", { class: "note", hidden: true },
    h("div", { class: "row screen-only note-bar" },
      h("a", { class: "button", href: "#" }, `← ${t("back")}`),
      h("span", { class: "end row" }, pageLink, h("button", { type: "button", class: "primary", onclick: () => print() }, t("print")))),
    heading, body);
  let opened = null;
  let map = null;

  function close() {
    opened = null;
    map?.map.remove();
    map = null;
    fill(body);
    show(element, false);
  }

  async function open(orderId) {
    close();
    opened = orderId;
    pageLink.href = `/v1/orders/${step(orderId)}/delivery-note`;
    heading.textContent = t("order", { id: orderId });
    show(element, true);
    heading.focus();
    try {
      const note = await noteOf(orderId);
      if (opened !== orderId) return;
      const place = h("div", { class: "note-map" });
      fill(body, parts(note, place));
      await drawMap(note, place, orderId);
    } catch (problem) {
      if (opened !== orderId) return;
      const isUnknown = problem.code === "order_not_found";
      fill(body, isUnknown ? h("p", {}, t("no_order", { id: shortId(orderId) })) : problemNotice(problem, () => open(orderId)));
    }
  }

  async function drawMap(note, place, orderId) {
    try {
      const storeLabel = note.store?.name ?? t("the_store");
      const drawn = await showDelivery(place, note, { label: t("route"), storeLabel, doorLabel: t("the_door") });
      if (opened === orderId) map = drawn;
      else drawn.map.remove();
    } catch {
      // The address is there without a map.
      place.remove();
    }
  }

  // Paper is narrower than a screen.
  matchMedia("print").addEventListener("change", () => map?.fit());
  return { element, open, close };
}

function parts(note, place) {
  const { customer, store } = note;
  return [
    h("p", { class: "row" }, h("span", { class: "tag" }, statusWord(note.status)), times(note)),
    h("div", { class: "note-columns" },
      h("div", { class: "stack" },
        part(t("deliver_to"), "note-to",
          customer?.name && h("p", { class: "large" }, customer.name),
          customer?.phone && h("p", { class: "large mono" }, customer.phone),
          h("p", { class: customer?.address ? "large" : "soft" }, customer?.address ?? t("no_address")),
          customer?.note && h("p", { class: "notice wish" }, customer.note)),
        part(t("goods"), "note-goods", goods(note.lines)),
        store && part(t("from_store"), "note-from", h("p", {}, store.name ?? store.store_id),
          store.address && h("p", { class: "soft" }, store.address), store.phone && h("p", { class: "soft mono" }, store.phone))),
      h("div", { class: "stack" }, routePart(note, place), part(t("code"), "note-code", courierCode(note)))),
  ];
}

function part(title, kind, ...content) {
  return h("section", { class: `card stack ${kind}` }, h("h3", {}, title), content);
}

function times(note) {
  const by = note.deliver_by ?? note.promised_by;
  if (!by) return null;
  const { text, isLate } = due(by);
  const isUnderWay = ["confirmed", "accepted", "ready", "picked_up"].includes(note.status);
  return [h("span", { class: "strong" }, t("door_by", { time: clockAs(by, note.pickup_by ?? by) })),
    isUnderWay && h("span", { class: `tag screen-only ${isLate ? "bad" : ""}` }, text)];
}

function routePart(note, place) {
  const route = note.route?.properties;
  const said = route ? t("route_is", { distance: distance(route.length_m), time: duration(route.travel_s) }) : null;
  return h("section", { class: "card stack note-route" }, h("h3", {}, t("route")), said && h("p", { class: "soft" }, said), place);
}

function goods(lines) {
  return h("table", {},
    h("thead", { class: "for-readers" }, h("tr", {}, ["quantity", "goods", "price"].map((word) => h("th", { scope: "col" }, t(word))))),
    h("tbody", {}, lines.map((line) => h("tr", {},
      h("td", { class: "number strong" }, t("piece", { n: number(line.quantity) })),
      h("td", {}, line.name ?? line.sku, line.name && h("span", { class: "soft small mono sku" }, line.sku)),
      h("td", { class: "number" }, line.price === null ? "" : money(line.price * line.quantity, line.currency))))));
}
