// The ops console: five views, one at a time, each with an address of its own behind the #.

import { h } from "../lib/dom.js";
import { topBar } from "../lib/parts.js";
import { healthView } from "./health_view.js";
import { icon } from "./icons.js";
import { importsView } from "./imports_view.js";
import { mapView } from "./map_view.js";
import { ordersView } from "./orders_view.js";
import { placeOf } from "./places.js";
import { stockView } from "./stock_view.js";
import { t } from "./words.js";

const MAKERS = { imports: importsView, map: mapView, orders: ordersView, stock: stockView, health: healthView };

const links = new Map(Object.keys(MAKERS).map((name) => [name, h("a", { href: `#${name}` }, icon(name), h("span", {}, t(name)))]));
const main = h("main", { id: "main" });
// Views are made when they are first seen, and kept: an upload goes on while somebody looks at the map.
const made = new Map();
let shown = null;

document.body.append(
  topBar(t("title")),
  h("nav", { class: "views", "aria-label": t("views") }, h("ul", {}, [...links.values()].map((link) => h("li", {}, link)))),
  main,
);
window.addEventListener("hashchange", go);
go();

function go() {
  const place = placeOf(location.hash);
  const name = place.view in MAKERS ? place.view : "imports";
  const isOther = name !== shown;
  if (isOther && shown !== null) {
    made.get(shown).leave?.();
    made.get(shown).element.hidden = true;
  }
  if (!made.has(name)) {
    const view = MAKERS[name]();
    made.set(name, view);
    main.append(view.element);
  }
  const view = made.get(name);
  view.element.hidden = false;
  for (const [other, link] of links) {
    if (other === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(name)} · lifecircle`;
  main.className = `of-${name}`;
  const isFirst = shown === null;
  shown = name;
  view.enter(place);
  if (isOther && !isFirst) {
    main.scrollTop = 0;
    // The heading says where one is; a reader of the screen hears it.
    view.element.querySelector("h2:not([hidden])")?.focus();
  }
}

