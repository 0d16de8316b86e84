// Where it is to be brought: a pin to drag, a click on the map, or where the browser says one is.

import { get } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { pin, placeOf } from "../lib/map.js";
import { problemText } from "../lib/parts.js";
import { on, setDoor, state } from "./state.js";
import { t } from "./words.js";

const PATIENCE_MS = 12_000;
const NEAR_ZOOM = 15;

/** The part of the panel; `connect(map)` once there is one; `hold(place)` for an order's door, which stays, null: no more. */
export function doorPart(say) {
  const place = h("p", { class: "small soft place" });
  const wrong = h("p", { class: "notice small", role: "alert", hidden: true });
  const button = h("button", { type: "button", class: "locate", disabled: true }, h("span", { class: "locate-mark", "aria-hidden": "true" }), t("where_am_i"));
  const element = h("section", { class: "part", "aria-labelledby": "door-title" },
    h("div", { class: "row door" },
      h("div", {}, h("h2", { id: "door-title" }, t("door_title")), place),
      h("span", { class: "end" }, button)),
    wrong);

  let marker = null;
  let held = null;

  function connect(map) {
    marker = pin(map, state.door, { label: t("pin_label"), onMove: moved });
    map.on("click", (event) => moved(placeOf(event.latlng)));
    on("door", () => {
      put();
      describe();
      show(wrong, false);
    });
    on("chosen", describe);
    describe();
    button.disabled = false;
    button.addEventListener("click", () => locate(map));
  }

  function moved(to) {
    if (held === null) setDoor(to);
    else put();
  }

  /** Where the pin is: at an order's door while that is held. */
  function put() {
    const { lat, lon } = held ?? state.door;
    marker.setLatLng([lat, lon]);
  }

  function hold(place) {
    held = place;
    if (held === null) marker.dragging.enable();
    else marker.dragging.disable();
    put();
  }

  function describe() {
    const { lat, lon } = state.door;
    fill(place, state.isDoorChosen ? `${lat.toFixed(5)}, ${lon.toFixed(5)}` : t("door_hint"));
  }

  async function locate(map) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    show(wrong, false);
    try {
      const found = await turned(await positionOfBrowser());
      setDoor(found);
      map.setView([found.lat, found.lon], Math.max(map.getZoom(), NEAR_ZOOM));
      say(t("door_moved"));
    } catch (error) {
      fill(wrong, sayWrong(error));
      show(wrong, true);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }

  return { element, connect, hold };
}

function positionOfBrowser() {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) return reject(new Error("no geolocation"));
    navigator.geolocation.getCurrentPosition(resolve, reject, { enableHighAccuracy: true, timeout: PATIENCE_MS, maximumAge: 60_000 });
  });
}

/** The browser tells WGS84; what the map shows may be another datum. */
async function turned({ coords }) {
  const told = { lat: Number(coords.latitude.toFixed(6)), lon: Number(coords.longitude.toFixed(6)) };
  if (state.datum === "wgs84") return told;
  const { lat, lon } = await get("/v1/places/turned", { ...told, from: "wgs84", to: state.datum });
  return { lat: Number(lat.toFixed(6)), lon: Number(lon.toFixed(6)) };
}

function sayWrong(error) {
  if (error.errors !== undefined) return problemText(error);
  return t(error.code === 1 ? "location_refused" : "location_unknown");
}
