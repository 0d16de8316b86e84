// The delivery note of one order: whom it goes to, by when, what is in it, the way there, and the courier's code. It prints.

import { step } from "../lib/api.js";
import { showDelivery } from "../lib/delivery_map.js";
import { fill, h, show } from "../lib/dom.js";
import { due } from "../lib/due.js";
import { clockAs, distance, duration, money, number } from "../lib/format.js";
import { problemNotice, statusWord } from "../lib/parts.js";
import { shortId } from "./card.js";
import { courierCode, isCarried } from "./courier_code.js";
import { noteOf } from "./names.js";
import { whyLeft } from "./orders.js";
import { t } from "./words.js";

const OVER = new Set(["cancelled", "unfulfillable"]);

/**
 * A view of the note of an order of a store: `element` shows it, `open(orderId)` reads it, `refresh()` reads what is open
 * anew, `close()` puts it away. Of an order that is not this store's any more, nothing of the customer is shown.
 */
export function noteView(storeId, say) {
  const body = h("div", { class: "note-body" });
  const heading = h("h2", { tabindex: "-1" });
  const pageLink = h("a", { class: "button", target: "_blank", rel: "noopener" }, t("print_page"));
  const onPaper = h("span", { class: "end row" }, pageLink,
    h("button", { type: "button", class: "primary", onclick: () => print() }, t("print")));
  const element = h("section", { class: "note", hidden: true },
    h("div", { class: "row screen-only note-bar" }, h("a", { class: "button", href: "#" }, `← ${t("back")}`), onPaper), heading, body);
  let opened = null;
  let shown = null;
  let status = null;
  // What stays as it is while the rest is drawn anew: the map's place, and the code.
  let way = kept();
  let code = kept();
  let map = null;
  let asks = 0;

  function clear() {
    map?.map.remove();
    map = null;
    way = kept();
    code = kept();
    fill(body);
  }

  function close() {
    opened = shown = status = null;
    clear();
    show(element, false);
  }

  async function open(orderId) {
    close();
    opened = orderId;
    pageLink.href = `/v1/orders/${step(orderId)}/delivery-note`;
    heading.textContent = t("order", { id: orderId });
    show(onPaper, true);
    show(element, true);
    heading.focus();
    try {
      await refresh();
    } catch (problem) {
      if (opened === orderId && shown === null) fill(body, problemNotice(problem, () => open(orderId)));
    }
  }

  /** Throws what `get` throws; what is shown stays then. */
  async function refresh() {
    if (opened === null) return;
    const orderId = opened;
    const ask = (asks += 1);
    let note = null;
    try {
      note = await noteOf(orderId);
    } catch (problem) {
      if (problem.code !== "order_not_found") throw problem;
    }
    // An answer that comes late says what was, not what is.
    if (opened !== orderId || ask !== asks) return;
    const shows = JSON.stringify(note);
    if (shown === shows) return;
    shown = shows;
    const id = shortId(orderId);
    if (note === null) takeAway(t("no_order", { id }));
    else if (OVER.has(note.status) || note.store?.store_id !== storeId) takeAway(t(whyLeft(note, storeId), { id }));
    else draw(note);
  }

  function draw(note) {
    const hadFocus = body.contains(document.activeElement);
    code = kept([note.attempt, isCarried(note.status)], code, () => courierCode(note));
    const before = way;
    way = kept([note.attempt, note.store, note.destination, note.route], way, () => h("div", { class: "note-map" }));
    show(onPaper, true);
    fill(body, parts(note, way.element, code.element));
    if (hadFocus) heading.focus();
    if (status !== null && status !== note.status) say(statusWord(note.status));
    status = note.status;
    if (way === before) map?.fit();
    else drawMap(note, way);
  }

  /** An order that is somebody else's now, or nobody's: say so, and leave nothing of the customer, on paper neither. */
  function takeAway(text) {
    clear();
    show(onPaper, false);
    fill(body, h("p", { class: "notice gone", role: "alert" }, text));
    heading.focus();
  }

  async function drawMap(note, at) {
    map?.map.remove();
    map = null;
    try {
      const storeLabel = note.store?.name ?? t("the_store");
      const drawn = await showDelivery(at.element, note, { label: t("route"), storeLabel, doorLabel: t("the_door") });
      if (way === at) map = drawn;
      else drawn.map.remove();
    } catch {
      // The address is there without a map; it is tried again with the next change.
      at.element.remove();
      if (way === at) way = kept();
    }
  }

  // Paper is narrower than a screen.
  matchMedia("print").addEventListener("change", () => map?.fit());
  return {
    element, open, close, refresh,
    get orderId() {
      return opened;
    },
  };
}

/** An element with what it was made of: the one that is there, if it was made of the same. */
function kept(from = null, before = null, make = () => null) {
  const of = JSON.stringify(from);
  return before?.of === of ? before : { of, element: make() };
}

function parts(note, place, code) {
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
      h("div", { class: "stack" }, routePart(note, place), part(t("code"), "note-code", code))),
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
