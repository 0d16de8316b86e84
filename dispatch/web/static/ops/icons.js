// Small drawings beside words; never in their place.

import { svg } from "../lib/dom.js";

const DRAWN = {
  imports: ["M12 16V4", "M7 9l5-5 5 5", "M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3"],
  map: ["M12 21s-6-5.3-6-10.5a6 6 0 0 1 12 0C18 15.7 12 21 12 21z", "M12 8.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4z"],
  orders: ["M6 3h12v18l-3-2-3 2-3-2-3 2z", "M9 8h6", "M9 12h6"],
  stock: ["M4 8l8-4 8 4v8l-8 4-8-4z", "M4 8l8 4 8-4", "M12 12v8"],
  health: ["M3 12h4l2.5-6 4 12 2.5-6h5"],
  search: ["M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12z", "M15.5 15.5L20 20"],
  back: ["M14 6l-6 6 6 6"],
  file: ["M6 3h8l4 4v14H6z", "M14 3v4h4"],
};

/** One of them, 24 wide, drawn in the colour of the text. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    DRAWN[name].map((d) => svg("path", { d })));
}

const SHAPES = {
  created: "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2z",
  updated: "M8 1l7 7-7 7-7-7z",
  removed: "M3 3l10 10M13 3L3 13",
  counted: "M2.5 2.5h11v11h-11z",
};

/** What a change looks like in legends and lists, as on the map: a circle, a diamond, a cross, a square. */
export function changeMark(change) {
  return svg("svg", { class: `mark mark-${change}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: SHAPES[change] }));
}
