// The stores of the list on the map: the same numbers, and whichever is pointed at is shown in both.

import { h } from "../lib/dom.js";
import { textLabel } from "../lib/map.js";

const L = globalThis.L;
const SIDE_PX = 26;
const MOST = 60;

/** `{draw, mark, show}`. `onPoint(index, isMarked)` when the pointer comes and goes, `onChoose(index)` on a click. */
export function numbersOnMap(map, { onPoint, onChoose }) {
  const layer = L.layerGroup().addTo(map);
  let markers = [];

  function draw(stores) {
    layer.clearLayers();
    // The list is how keys and screen readers reach them.
    markers = stores.slice(0, MOST).map((store, index) => {
      const label = h("span", {}, index + 1);
      const className = `number-marker${store.open_now ? "" : " is-closed"}`;
      const icon = L.divIcon({ className, iconSize: [SIDE_PX, SIDE_PX], html: label });
      const marker = L.marker([store.lat, store.lon], { icon, keyboard: false, riseOnHover: true, zIndexOffset: MOST - index });
      marker.bindTooltip(() => textLabel(store.name ?? store.store_id), { direction: "top", offset: [0, -SIDE_PX / 2] });
      marker.on("mouseover", () => onPoint(index, true));
      marker.on("mouseout", () => onPoint(index, false));
      marker.on("click", () => onChoose(index));
      return marker.addTo(layer);
    });
  }

  return {
    draw,
    mark(index, isMarked) {
      const marker = markers[index];
      marker?.getElement()?.classList.toggle("is-marked", isMarked);
      marker?.setZIndexOffset(isMarked ? 500 : MOST - index);
    },
    show(isShown) {
      if (isShown) layer.addTo(map);
      else layer.remove();
    },
  };
}
