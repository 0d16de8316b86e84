// A map: pictures of the operator's choice where there are any, else the roads that travel times come from, drawn here.

import { get } from "./api.js";
import { common as t } from "./common_words.js";
import { h } from "./dom.js";
import { RoadsLayer } from "./roads_layer.js";

const L = globalThis.L;
const NOWHERE = { lat: 25, lon: 110, zoom: 4 };

/** What a colour of base.css is just now; light and dark differ. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * Have something done again when the reader changes between light and dark; the answer ends it when it is called. Of what
 * is on a map, `map` ends it when it is closed.
 */
export function onColours(callback, map = null) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const end = () => query.removeEventListener("change", callback);
  query.addEventListener("change", callback);
  map?.on("unload", end);
  return end;
}

/**
 * A map in an element: `{map, config, datum, drawn, close}`. `config` is what GET /v1/map tells; places go onto the map, and
 * come from it, in `datum`, so that every request of the page says it. `drawn` is kept once the ground is there;
 * `close` takes the map away, with all that listens for it. Throws what `get` throws.
 */
export async function openMap(element, { label, config = null } = {}) {
  const told = config ?? (await get("/v1/map"));
  const datum = told.tiles?.datum ?? "wgs84";
  const settings = datum === "wgs84" || config !== null ? told : await get("/v1/map", { datum });
  const map = L.map(element, {
    preferCanvas: true,
    zoomControl: false,
    attributionControl: false,
    minZoom: 3,
    maxZoom: settings.tiles?.max_zoom ?? 18,
    worldCopyJump: true,
    zoomSnap: 1,
  });
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label ?? t("map_of_stores"));
  L.control.zoom({ position: "bottomright", zoomInTitle: t("zoom_in"), zoomOutTitle: t("zoom_out") }).addTo(map);
  const centre = settings.centre ?? NOWHERE;
  map.setView([centre.lat, centre.lon], settings.centre ? 14 : NOWHERE.zoom, { animate: false });
  const ground = addBackground(map, settings);
  const drawn = ground === null ? Promise.resolve() : new Promise((resolve) => ground.once("load", resolve));
  return { map, config: settings, datum, drawn, close: () => map.remove() };
}

/** A label for a marker or an area: an element, since Leaflet reads texts as HTML. */
export function textLabel(...lines) {
  return h("span", { class: "map-label" }, lines.map((line) => h("span", {}, line)));
}

/** A pin that can be dragged and moved by the arrow keys; `onMove` gets {lat, lon} when it has been. */
export function pin(map, place, { label, onMove }) {
  const icon = L.divIcon({ className: "pin", iconSize: [28, 36], iconAnchor: [14, 34], html: h("span", { class: "pin-shape" }) });
  const marker = L.marker([place.lat, place.lon], { icon, draggable: true, keyboard: true, title: label, alt: label, zIndexOffset: 1000 });
  marker.addTo(map);
  const element = marker.getElement();
  element.setAttribute("aria-label", label);
  const tell = () => onMove(placeOf(marker.getLatLng()));
  marker.on("dragend", tell);
  element.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const at = map.latLngToContainerPoint(marker.getLatLng()).add([step[0] * 12, step[1] * 12]);
    marker.setLatLng(map.containerPointToLatLng(at));
    tell();
  });
  return marker;
}

/** {lat, lon} of a Leaflet place, to a tenth of a metre. */
export function placeOf(latLng) {
  const { lat, lng } = latLng.wrap();
  return { lat: Number(lat.toFixed(6)), lon: Number(lng.toFixed(6)) };
}

/** The box that a map shows, as `bbox` of the API. */
export function boxOf(map) {
  const bounds = map.getBounds();
  const wrapped = (lng) => ((((lng + 180) % 360) + 360) % 360) - 180;
  const isWhole = bounds.getEast() - bounds.getWest() >= 360;
  const west = isWhole ? -180 : wrapped(bounds.getWest());
  const east = isWhole ? 180 : wrapped(bounds.getEast());
  const south = Math.max(-90, bounds.getSouth());
  const north = Math.min(90, bounds.getNorth());
  return [west, south, east, north].map((value) => value.toFixed(6)).join(",");
}

/** h3-js, fetched when hexagons are first drawn: a global, since it comes as one. */
export function loadH3() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: new URL("../vendor/h3.js", import.meta.url).href });
    script.addEventListener("load", () => resolve(globalThis.h3));
    script.addEventListener("error", () => reject(new Error("h3-js could not be loaded")));
    document.head.append(script);
  });
  return loading;
}
let loading = null;

/** The ground of a map, as a layer; null where there is none to be drawn. */
function addBackground(map, settings) {
  if (settings.tiles !== null) {
    const { url, attribution, max_zoom: maxZoom } = settings.tiles;
    credit(map, attribution);
    return L.tileLayer(url, { maxZoom, referrerPolicy: "origin" }).addTo(map);
  }
  if (settings.roads === null) return null;
  const roads = new RoadsLayer(settings.roads, colour);
  onColours(() => roads.redraw(), map);
  credit(map, settings.roads.attribution);
  return roads.addTo(map);
}

function credit(map, text) {
  if (!text) return;
  const control = L.control({ position: "bottomleft" });
  control.onAdd = () => h("p", { class: "map-credit" }, text);
  control.addTo(map);
}
