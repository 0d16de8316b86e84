// Coverage: the hexagons of what a map shows, by how soon an order is there. Asked only when somebody wants it.

import { get } from "../lib/api.js";
import { common as said } from "../lib/common_words.js";
import { fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { boxOf, textLabel } from "../lib/map.js";
import { problemNotice } from "../lib/parts.js";
import { bandsOf, drawCells, legendOf } from "./coverage_layer.js";
import { itemField } from "./items.js";
import { t } from "./map_words.js";
import { choices, field, heading } from "./pieces.js";
import { t as common } from "./words.js";

const L = globalThis.L;
const MINUTES = [15, 20, 30, 45, 60, 90, 120];
const MOST_CELLS = 2_400;
// Mean area of the cells of each resolution of H3, in km².
const AREAS_KM2 = [4_357_449, 609_788, 86_802, 12_393, 1_770, 252.9, 36.13, 5.161, 0.7373, 0.1053, 0.01505];
const COARSE = 6;

/** The panel of a map's coverage: `{element}`. A click on a hexagon tells who is there when. */
export function coveragePanel({ map, datum }) {
  const minutes = field(t("within"), h("select", {}, choices(MINUTES.map((n) => [String(n), said("minutes", { n })]), "30")));
  const item = itemField(t("with_item"), t("with_item_hint"));
  const ask = h("button", { class: "primary", type: "submit" }, t("show_coverage"));
  const stop = h("button", { type: "button", hidden: true, onclick: () => asking?.abort() }, common("cancel"));
  const clear = h("button", { type: "button", hidden: true, onclick: takeOff }, t("hide_coverage"));
  const told = h("div", { class: "stack", role: "status" });
  const element = h("section", { class: "card stack" }, heading(2, t("coverage")), h("p", { class: "soft small" }, t("coverage_text")),
    h("form", { class: "stack", onsubmit: (event) => {
      event.preventDefault();
      load();
    } }, minutes.element, item.element, h("div", { class: "row" }, ask, stop, clear)), told);
  let asking = null;
  let layer = null;

  async function load() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const fit = fitting(map.getBounds());
    const sku = item.sku();
    const query = { bbox: boxOf(map), resolution: fit.resolution, minutes: minutes.control.value, sku, datum };
    setWorking(true);
    fill(told, h("p", {}, t("working", { n: number(fit.cells) })), h("progress", { "aria-label": t("coverage") }));
    try {
      const cells = await cellsOf(query, signal);
      if (signal.aborted) return;
      takeOff();
      const bands = bandsOf(cells);
      const drawn = await drawCells(map, cells, bands);
      if (signal.aborted) {
        drawn.remove();
        return;
      }
      layer = drawn;
      show(clear, true);
      tell(cells, bands, { minutes: query.minutes, name: item.name(), resolution: fit.resolution });
    } catch (problem) {
      if (problem.name === "AbortError") fill(told);
      else fill(told, problemNotice(problem, load));
    } finally {
      if (asking?.signal === signal) setWorking(false);
    }
  }

  async function cellsOf(query, signal) {
    if (datum === "wgs84") return (await get("/v1/coverage", query, { signal })).cells;
    const { features } = await get("/v1/coverage", query, { signal, accept: "application/geo+json" });
    return features.map((feature) => ({ ...feature.properties, geometry: feature.geometry }));
  }

  function tell(cells, bands, { minutes: most, name, resolution }) {
    const known = cells.filter((cell) => cell.served !== null);
    const served = known.filter((cell) => cell.served);
    const values = { n: number(known.length), minutes: most, item: name, share: number(Math.floor((served.length * 100) / known.length)) };
    const text = served.length === 0 ? "nowhere" : name ? "served_of_item" : "served_share";
    fill(told, h("p", { class: "strong" }, t(text, values),
      known.length < cells.length && ` ${t("no_roads", { n: number(cells.length - known.length) })}`),
    served.some((cell) => cell.travel_source === "estimate") && h("p", { class: "small soft" }, t("estimate")),
    resolution < COARSE && h("p", { class: "small soft" }, t("zoom_in_more")),
    legendOf(cells, bands));
  }

  function setWorking(isWorking) {
    show(stop, isWorking);
    show(ask, !isWorking);
    if (isWorking) show(clear, false);
  }

  function takeOff() {
    map.closePopup();
    layer?.remove();
    layer = null;
    show(clear, false);
    fill(told);
  }

  map.on("click", (event) => {
    const cell = layer?.cellAt(event.latlng);
    if (!cell) return;
    const label = cell.served ? t("place_served", { store: cell.store_id, minutes: Math.ceil(cell.eta_s / 60) })
      : t(cell.served === null ? "unknown" : "unserved");
    L.popup({ closeButton: false }).setLatLng(event.latlng).setContent(textLabel(label)).openOn(map);
  });
  return { element };
}

/** The finest resolution of which at most some 2,400 cells lie in the box, and about how many they are. */
function fitting(bounds) {
  const south = (Math.max(-90, bounds.getSouth()) * Math.PI) / 180;
  const north = (Math.min(90, bounds.getNorth()) * Math.PI) / 180;
  const width = (Math.min(360, bounds.getEast() - bounds.getWest()) * Math.PI) / 180;
  const km2 = 6371 ** 2 * width * (Math.sin(north) - Math.sin(south));
  for (let resolution = AREAS_KM2.length - 1; resolution > 0; resolution -= 1) {
    // A box of so many cells has about as many more as lie across its border.
    const inside = km2 / AREAS_KM2[resolution];
    const cells = Math.round(inside + 4 * Math.sqrt(inside) + 1);
    if (cells <= MOST_CELLS) return { resolution, cells };
  }
  return { resolution: 0, cells: 122 };
}
