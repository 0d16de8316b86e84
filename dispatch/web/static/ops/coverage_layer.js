// Hexagons on a map, in steps of time, below the stores.

import { h, svg } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { colour, loadH3, onColours } from "../lib/map.js";
import { t } from "./map_words.js";

const L = globalThis.L;
const PANE = "coverage";
const MOST_BANDS = 4;
const AT_ONCE = 400;

/** The steps of time of cells, as whole minutes up to which each goes: at most four, even, from the soonest to the last. */
export function bandsOf(cells) {
  const minutes = cells.filter((cell) => cell.served).map((cell) => cell.eta_s / 60);
  if (minutes.length === 0) return [];
  const first = Math.floor(minutes.reduce((a, b) => Math.min(a, b)));
  const last = Math.ceil(minutes.reduce((a, b) => Math.max(a, b)));
  const step = Math.max(1, Math.ceil((last - first) / MOST_BANDS));
  return Array.from({ length: Math.max(1, Math.ceil((last - first) / step)) }, (_, i) => Math.min(last, first + (i + 1) * step));
}

function bandOf(cell, bands) {
  return bands.findIndex((end) => cell.eta_s <= end * 60);
}

/** Draw cells as GET /v1/coverage tells them, perhaps with a geometry each: `{cellAt, remove}`. */
export async function drawCells(map, cells, bands) {
  if (!map.getPane(PANE)) map.createPane(PANE).classList.add("coverage-pane");
  const renderer = L.canvas({ pane: PANE, padding: 0.2 });
  const h3 = cells.some((cell) => cell.geometry) ? null : await loadH3();
  const shapes = cells.map((cell) => {
    const rings = h3 === null ? ringsOf(cell.geometry) : [h3.cellToBoundary(cell.cell)];
    return [L.polygon(rings, { renderer, pane: PANE, interactive: false, ...lookOf(cell, bands) }), cell];
  });
  const group = L.layerGroup().addTo(map);
  for (let i = 0; i < shapes.length; i += AT_ONCE) {
    for (const [shape] of shapes.slice(i, i + AT_ONCE)) group.addLayer(shape);
    // Between two frames, so that the map can be moved meanwhile.
    await new Promise(requestAnimationFrame);
  }
  const endColours = onColours(() => shapes.forEach(([shape, cell]) => shape.setStyle(lookOf(cell, bands))), map);
  const byId = new Map(cells.map((cell) => [cell.cell, cell]));
  const resolution = h3 === null ? 0 : h3.getResolution(cells[0]?.cell ?? "8001fffffffffff");
  return {
    // Looked up by arithmetic: to ask thousands of polygons at each move of the mouse would make the map heavy.
    cellAt(place) {
      if (h3 !== null) return byId.get(h3.latLngToCell(place.lat, place.wrap().lng, resolution)) ?? null;
      return shapes.find(([shape]) => shape.getBounds().contains(place) && isWithin(shape.getLatLngs()[0], place))?.[1] ?? null;
    },
    remove() {
      endColours();
      group.remove();
      renderer.remove();
    },
  };
}

/** What the colours mean, with how many cells are of each. */
export function legendOf(cells, bands) {
  const counts = bands.map(() => 0);
  for (const cell of cells) if (cell.served) counts[bandOf(cell, bands)] += 1;
  const entry = (kind, text, count) => h("li", {}, swatch(kind), h("span", {}, text), h("span", { class: "end number" }, number(count)));
  const unserved = cells.filter((cell) => cell.served === false).length;
  const unknown = cells.filter((cell) => cell.served === null).length;
  return h("ul", { class: "legend bands", "aria-label": t("legend") },
    counts.map((count, i) => entry(`band-${i}`, t("band", { n: bands[i] }), count)),
    entry("unserved", t("unserved"), unserved), unknown > 0 && entry("unknown", t("unknown"), unknown));
}

function swatch(kind) {
  return svg("svg", { class: `hexagon hexagon-${kind}`, viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", { d: "M10 1.5l7.4 4.25v8.5L10 18.5l-7.4-4.25v-8.5z" }));
}

function lookOf(cell, bands) {
  if (cell.served === null) return { stroke: false, fillColor: colour("soft"), fillOpacity: 0.22 };
  if (!cell.served) return { stroke: true, weight: 1.5, color: colour("bad"), opacity: 0.75, fillOpacity: 0, fill: false };
  const band = bandOf(cell, bands);
  return { stroke: true, weight: 0.5, opacity: 0.5, color: colour("paper"), fillColor: colour(`band-${band}`), fillOpacity: 0.6 };
}

function ringsOf(geometry) {
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  return polygons.map((rings) => rings.map((ring) => ring.map(([lon, lat]) => [lat, lon])))[0];
}

/** Whether a ray from the place crosses the ring an odd number of times. */
function isWithin(ring, { lat, lng }) {
  let isIn = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [a, b] = [ring[i], ring[j]];
    if (a.lat > lat !== b.lat > lat && lng < ((b.lng - a.lng) * (lat - a.lat)) / (b.lat - a.lat) + a.lng) isIn = !isIn;
  }
  return isIn;
}
