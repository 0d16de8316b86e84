// Where to now: a place, by when, and one tap to whichever map the courier uses.

import { h } from "../lib/dom.js";
import { dueTag } from "../lib/due.js";
import { clockAs } from "../lib/format.js";
import { callButton } from "./people.js";
import { t } from "./words.js";

const MAPS = ["amap", "tencent", "baidu", "apple", "google"];
const KEPT_AS = "lifecircle.courier.map";

/** The part of the page for a status: `{element, refresh}`. `heading` may be given the focus. */
export function whereTo(note, status) {
  const isToDoor = status === "picked_up";
  const isBack = status === "failed";
  const { store, customer } = note;
  const place = isToDoor
    ? { name: customer?.name, address: customer?.address, links: note.navigation?.door }
    : { name: store?.name ?? store?.store_id, address: store?.address, links: note.navigation?.store };
  const by = isToDoor ? note.deliver_by : isBack ? null : note.pickup_by;
  const left = by ? dueTag(by) : null;
  const heading = h("h2", { tabindex: "-1" }, t(isToDoor ? "to_door" : isBack ? "back_to_store" : "to_store"));
  const element = h("section", { class: `card stack where ${isToDoor ? "door" : "store"}` },
    h("div", { class: "row" }, heading, by && h("span", { class: "row end by" },
      h("span", {}, t(isToDoor ? "bring_by" : "fetch_by", { time: clockAs(by, note.pickup_by ?? by) })), left.element)),
    h("div", {}, place.name && h("p", { class: "place-name" }, place.name),
      h("p", { class: place.address ? "place-address" : "soft" }, place.address ?? t("no_address"))),
    isToDoor && customer?.note && h("p", { class: "notice wish" }, customer.note),
    navigation(place.links),
    isToDoor ? customer?.phone && callButton(customer.phone, "call") : store?.phone && callButton(store.phone, "call_store"));

  return { element, heading, refresh: () => left?.refresh() };
}

function navigation(links) {
  const known = MAPS.filter((map) => links?.[map]);
  if (known.length === 0) return null;
  const last = known.includes(kept()) ? kept() : known[0];
  const link = (map, kind, text) => h("a", {
    class: `button ${kind}`, href: links[map], target: "_blank", rel: "noopener", "data-map": map, onclick: () => keep(map),
  }, text);
  return h("nav", { class: "stack navigation", "aria-label": t("other_maps") },
    link(last, "primary wide big", t("navigate", { map: t(last) })),
    h("div", { class: "maps" }, known.filter((map) => map !== last).map((map) => link(map, "", t(map)))));
}

function kept() {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

function keep(map) {
  try {
    localStorage.setItem(KEPT_AS, map);
  } catch { /* then the first one stays the first */ }
}
