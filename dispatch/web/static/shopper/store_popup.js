// A store of the map that was clicked: what it is, and where its own page is.

import { get, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { opening } from "../lib/format.js";
import { problemText } from "../lib/parts.js";
import { state } from "./state.js";
import { t } from "./words.js";

const L = globalThis.L;

/** Open it at a store as GET /v1/map/stores tells it; the hours follow. */
export async function openStore(map, { store_id: storeId, name, lat, lon }) {
  const hours = h("p", { class: "small soft" }, "…");
  const link = h("a", { href: `/s/${step(storeId)}` }, t("store_page"));
  const content = h("div", { class: "stack tight" }, h("p", { class: "strong" }, name ?? storeId), hours, link);
  L.popup({ closeButton: false, autoPanPadding: [16, 16], offset: [0, -4] }).setLatLng([lat, lon]).setContent(content).openOn(map);
  try {
    fill(hours, opening(await get(`/v1/stores/${step(storeId)}`, { datum: state.datum })));
  } catch (problem) {
    fill(hours, problemText(problem));
  }
}
