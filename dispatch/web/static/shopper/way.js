// The way from a store to the door, with the store's marker.

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { textLabel } from "../lib/map.js";
import { drawn } from "./drawings.js";
import { state } from "./state.js";

const L = globalThis.L;
const SIDE_PX = 34;
const CLOSEST_ZOOM = 17;

/** `{show, clear}` of a map. */
export function wayOn(map) {
  let marker = null;
  let line = null;
  let asking = null;

  function clear() {
    asking?.abort();
    marker?.remove();
    line?.remove();
    marker = line = null;
  }

  /** Both ends come into view at once, the way between them when it is known. A way that nobody tells is left out. */
  async function show(store, door) {
    clear();
    const icon = L.divIcon({ className: "store-marker", iconSize: [SIDE_PX, SIDE_PX], html: h("span", { class: "store-mark" }) });
    marker = L.marker([store.lat, store.lon], { icon, keyboard: false, zIndexOffset: 900 }).addTo(map);
    marker.bindTooltip(() => textLabel(store.name ?? store.store_id), { direction: "top", offset: [0, -SIDE_PX / 2] });
    fit(L.latLngBounds([[store.lat, store.lon], [door.lat, door.lon]]));
    asking = new AbortController();
    const { signal } = asking;
    const query = { from_lat: store.lat, from_lon: store.lon, to_lat: door.lat, to_lon: door.lon, datum: state.datum };
    try {
      const feature = await get("/v1/route", query, { signal });
      if (signal.aborted) return;
      line = drawn(map, feature, feature.properties.travel_source === "estimate" ? "way is-estimate" : "way");
      const bounds = line.getBounds();
      if (bounds.isValid()) fit(bounds.extend([door.lat, door.lon]).extend([store.lat, store.lon]));
    } catch { /* the answer stands without a line on the map */ }
  }

  function fit(bounds) {
    map.fitBounds(bounds, { paddingTopLeft: [48, 64], paddingBottomRight: [64, 48], maxZoom: CLOSEST_ZOOM });
  }

  return { show, clear };
}
