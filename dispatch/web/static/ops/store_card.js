// A store: how it stands, and the ways on from it.

import { get, step } from "../lib/api.js";
import { common as said } from "../lib/common_words.js";
import { fill, h } from "../lib/dom.js";
import { distance, number, opening } from "../lib/format.js";
import { colour } from "../lib/map.js";
import { problemNotice } from "../lib/parts.js";
import { t } from "./map_words.js";
import { choices, field, heading, serviceSaid } from "./pieces.js";
import { linkTo } from "./places.js";
import { posterOf } from "./poster.js";
import { t as common } from "./words.js";

const L = globalThis.L;
const MINUTES = [15, 20, 30, 45, 60, 90, 120];

/** The card of a store on a map: `{element, remove}`. */
export function storeCard(store, { map, datum, onClose }) {
  const drawn = L.featureGroup().addTo(map);
  drawn.addLayer(L.circleMarker([store.lat, store.lon], {
    radius: 12, weight: 4, color: colour("accent"), fill: false, interactive: false,
  }));
  if (store.delivery_zone) {
    drawn.addLayer(L.geoJSON(store.delivery_zone, { interactive: false, style: {
      color: colour("part-courier"), weight: 2, dashArray: "6 5", fillOpacity: 0.05 } }));
  } else if (store.delivery_radius_m !== null) {
    drawn.addLayer(L.circle([store.lat, store.lon], { radius: store.delivery_radius_m, interactive: false,
      color: colour("part-courier"), weight: 2, dashArray: "6 5", fill: false }));
  }
  const poster = posterOf(store);
  const name = store.name ?? common("unnamed");
  const element = h("section", { class: "card stack store-card", "aria-label": name },
    h("div", { class: "row nowrap top" }, h("div", {}, heading(2, name), h("code", { class: "soft" }, store.store_id)),
      h("button", { class: "end", type: "button", onclick: onClose }, said("close"))),
    h("p", {}, h("span", { class: `tag ${store.active && store.open_now ? "" : "quiet"}` }, store.active ? opening(store) : t("inactive"))),
    store.warnings.map((warning) => h("p", { class: "notice small" }, serviceSaid(warning.detail))),
    facts(store),
    h("div", { class: "row" },
      h("a", { class: "button", href: linkTo("orders", null, { store: store.store_id }) }, t("its_orders")),
      h("a", { class: "button", href: linkTo("stock", store.store_id) }, t("its_stock")),
      h("a", { class: "button", href: `/store/${step(store.store_id)}` }, t("its_screen"))),
    circleForm(store, drawn, { map, datum }),
    poster.element);
  return {
    element,
    remove() {
      drawn.remove();
      poster.remove();
    },
  };
}

function facts(store) {
  const open = store.max_open_orders === null ? number(store.open_orders)
    : t("of_at_most", { n: number(store.open_orders), most: number(store.max_open_orders) });
  const told = [
    ["open_orders", open],
    ["hours", store.opening_hours ?? t("hours_none")],
    ["address", store.address],
    ["phone", store.phone && h("a", { href: `tel:${store.phone.replace(/[^+\d]/g, "")}` }, store.phone)],
    ["radius", store.delivery_radius_m === null ? t("no_limit") : distance(store.delivery_radius_m)],
    ["zone", store.delivery_zone && t("zone_drawn")],
    ["mode", t(`mode_${store.mode}`)],
    ["partner", store.partner],
    ["timezone", store.timezone],
  ];
  return h("dl", { class: "facts" }, told.filter(([, value]) => value !== null)
    .map(([name, value]) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, value))));
}

/** The area that the store reaches, drawn when it is asked for. */
function circleForm(store, drawn, { map, datum }) {
  const minutes = field(t("circle"), h("select", {}, choices(MINUTES.map((n) => [String(n), said("minutes", { n })]), "30")));
  const told = h("div", { role: "status", class: "small" });
  let area = null;
  async function draw() {
    const asked = { minutes: minutes.control.value, datum };
    try {
      const feature = await get(`/v1/stores/${step(store.store_id)}/life-circle`, asked);
      area?.remove();
      const isEmpty = feature.geometry.coordinates.length === 0;
      area = isEmpty ? null : L.geoJSON(feature, { interactive: false, style: { color: colour("area"), weight: 2, fillOpacity: 0.12 } });
      if (area !== null) {
        drawn.addLayer(area);
        map.fitBounds(area.getBounds().pad(0.05), { animate: false });
      }
      const mode = t(`mode_${feature.properties.mode}`);
      fill(told, h("p", {}, t(isEmpty ? "circle_none" : "circle_drawn", { minutes: asked.minutes, mode })),
        feature.properties.travel_source === "estimate" && h("p", { class: "soft" }, t("estimate")));
    } catch (problem) {
      fill(told, problemNotice(problem, draw));
    }
  }
  return h("form", { class: "stack", onsubmit: (event) => {
    event.preventDefault();
    draw();
  } }, h("div", { class: "row bottom" }, minutes.element, h("button", { type: "submit" }, t("draw"))), told);
}
