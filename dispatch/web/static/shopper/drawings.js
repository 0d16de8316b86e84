// Areas and ways on the map: below its stores, and never in the way of a click. Their looks are those of page.css.

const L = globalThis.L;
const PANE = "drawings";
const Z_INDEX = 390; // below what can be pointed at

const renderers = new WeakMap();

/** A layer with a GeoJSON feature, of a class of page.css. */
export function drawn(map, feature, className) {
  if (!renderers.has(map)) {
    map.createPane(PANE).style.zIndex = Z_INDEX;
    renderers.set(map, L.svg({ pane: PANE, padding: 0.5 }));
  }
  const style = { className, renderer: renderers.get(map), pane: PANE, interactive: false };
  return L.geoJSON(feature, { ...style, style, smoothFactor: 1 }).addTo(map);
}
