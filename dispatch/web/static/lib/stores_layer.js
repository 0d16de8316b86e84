// All stores of what a map shows: each of them when near, cells with their numbers when far.

import { get } from "./api.js";
import { common as t } from "./common_words.js";
import { number } from "./format.js";
import { boxOf, colour, loadH3, onColours, textLabel } from "./map.js";

const L = globalThis.L;
const MOST_STORES = 1_500;
const PAUSE_MS = 120;
// By zoom, the resolution whose hexagons are some 60 px wide.
const RESOLUTIONS = [0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 8, 9, 10, 11, 11, 12];

/**
 * Draw stores on a map and keep them right while it moves. `onStore` is called with a store that was clicked, `onTold`
 * with each answer of GET /v1/map/stores. `{refresh, remove}` is given back.
 */
export function showStores(map, { datum, onStore, onTold, onProblem }) {
  const renderer = L.canvas({ padding: 0.3 });
  let drawn = L.layerGroup().addTo(map);
  let timer = null;
  let asking = null;
  let last = null;

  async function refresh() {
    asking?.abort();
    // A map that is hidden shows no box; when it is shown, it tells that it has moved.
    if (map.getSize().x === 0 || map.getSize().y === 0) return;
    asking = new AbortController();
    const { signal } = asking;
    const zoom = Math.round(map.getZoom());
    const query = { bbox: boxOf(map), resolution: RESOLUTIONS[zoom] ?? 12, most: MOST_STORES, datum };
    try {
      const told = await get("/v1/map/stores", query, { signal });
      const h3 = told.cells === null || datum !== "wgs84" ? null : await loadH3();
      if (signal.aborted) return;
      last = { told, h3 };
      draw();
      onTold?.(told);
    } catch (problem) {
      if (problem.name !== "AbortError") onProblem?.(problem);
    }
  }

  function draw() {
    const group = L.layerGroup();
    if (last.told.cells === null) for (const store of last.told.stores) group.addLayer(dot(store));
    else drawCells(group, last.told.cells, last.h3);
    group.addTo(map);
    drawn.remove();
    drawn = group;
    performance.mark("stores-drawn");
  }

  function dot(store) {
    const isOpen = store.active && store.open_now;
    const marker = L.circleMarker([store.lat, store.lon], {
      renderer, radius: radius(), weight: radius() > 4 ? 1.5 : 1, color: colour("paper"), fillOpacity: 1, bubblingMouseEvents: !onStore,
      fillColor: colour(isOpen ? "accent" : "soft"),
    });
    marker.bindTooltip(() => textLabel(store.name ?? store.store_id, store.store_id));
    if (onStore) marker.on("click", () => onStore(store));
    return marker;
  }

  /** Of a store's dot: smaller when far, or a city is one blot. */
  function radius() {
    const zoom = map.getZoom();
    return zoom >= 14 ? 6 : zoom >= 12 ? 4 : 3;
  }

  function drawCells(group, cells, h3) {
    const most = Math.max(...cells.map((cell) => cell.stores));
    for (const cell of cells) {
      const style = {
        renderer, weight: 1, color: colour("paper"), fillColor: colour("accent"), bubblingMouseEvents: false,
        fillOpacity: 0.25 + 0.6 * Math.sqrt(cell.stores / most),
      };
      // Cells are of WGS84; on a map of another datum a circle stands for each.
      const shape = h3 === null
        ? L.circleMarker([cell.lat, cell.lon], { ...style, radius: 8 + 18 * Math.sqrt(cell.stores / most) })
        : L.polygon(h3.cellToBoundary(cell.cell), style);
      shape.bindTooltip(() => textLabel(t("stores_here", { n: number(cell.stores) })));
      shape.on("click", () => map.setView([cell.lat, cell.lon], map.getZoom() + 2));
      group.addLayer(shape);
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE_MS);
  }

  map.on("moveend", soon);
  onColours(() => last !== null && draw(), map);
  refresh();
  return {
    refresh,
    remove() {
      map.off("moveend", soon);
      clearTimeout(timer);
      asking?.abort();
      drawn.remove();
    },
  };
}
