// The way of one order on a map: its store, its door, and the route between them.

import { get, step } from "./api.js";
import { h, svg } from "./dom.js";
import { colour, onColours, openMap, textLabel } from "./map.js";

const L = globalThis.L;
const HOUSE = "M3 11 12 3l9 8v10h-6v-6H9v6H3Z";
const SHOP = "M4 3h16l1.5 6a3 3 0 0 1-1.5 2.4V21h-7v-6H8v6H4v-9.6A3 3 0 0 1 2.5 9Z";

/**
 * Draw what a delivery note tells onto a map in `element`. A map of another datum asks for the note anew in it, so that
 * markers lie where its pictures have them. `{map, fit, close}`; throws what `get` throws.
 */
export async function showDelivery(element, note, { label, storeLabel, doorLabel }) {
  const { map, datum, close } = await openMap(element, { label });
  const told = datum === "wgs84" ? note : await inDatum(note.order_id, datum, close);
  const places = [];
  if (told.store) places.push(place(map, told.store, "shop", SHOP, storeLabel));
  if (told.destination) places.push(place(map, told.destination, "door", HOUSE, doorLabel));
  const line = told.route?.geometry?.coordinates?.map(([lon, lat]) => [lat, lon]) ?? [];
  const isEstimate = told.route?.properties?.travel_source === "estimate";
  const route = L.polyline(line, { weight: 5, opacity: 0.9, dashArray: isEstimate ? "2 10" : null, interactive: false });
  route.addTo(map);
  const paint = () => route.setStyle({ color: colour("part-travel") });
  paint();
  onColours(paint, map);
  const bounds = L.latLngBounds([...line, ...places]);
  const fit = () => {
    map.invalidateSize({ animate: false });
    if (bounds.isValid()) map.fitBounds(bounds, { padding: [36, 36], maxZoom: 17, animate: false });
  };
  fit();
  return { map, fit, close };
}

/** The note with its places in the datum of the map, which is closed where it cannot be had. */
async function inDatum(orderId, datum, close) {
  try {
    return await get(`/v1/orders/${step(orderId)}/delivery-note`, { datum });
  } catch (problem) {
    close();
    throw problem;
  }
}

function place(map, at, name, path, label) {
  const icon = L.divIcon({
    className: `place-marker ${name}`, iconSize: [36, 36],
    html: svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: path })),
  });
  const marker = L.marker([at.lat, at.lon], { icon, keyboard: false, interactive: true, alt: label }).addTo(map);
  const element = marker.getElement();
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  marker.bindTooltip(() => textLabel(label));
  return marker.getLatLng();
}
