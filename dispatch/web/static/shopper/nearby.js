// Stores around the door: as a list, and as numbers on the map.

import { get } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { distance, number, opening } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { numbersOnMap } from "./numbers.js";
import { nameOf, on, setOpenNow, state } from "./state.js";
import { counted, t } from "./words.js";

const PAUSE_MS = 180;
const PAGE = 20;
const USUAL_RADIUS_M = 3_000;
const WIDE_RADIUS_M = 20_000;
const REFRESH_MS = 300_000;
const FIRST_GOODS = 3;

/** The part of the panel; `connect(map)` once there is one. */
export function nearbyPart(say) {
  const list = h("ol", { class: "stores" });
  const more = h("button", { type: "button", class: "wide", hidden: true, onclick: () => ask({ isMore: true }) }, t("more_stores"));
  const told = h("div", {});
  const openNow = h("input", { type: "checkbox", checked: state.openNow, onchange: () => setOpenNow(openNow.checked) });
  const count = h("span", { class: "soft small" });
  const element = h("section", { class: "part", "aria-labelledby": "nearby-title" },
    h("div", { class: "row" }, h("h2", { id: "nearby-title" }, t("nearby_title")), count,
      h("label", { class: "row end toggle" }, openNow, t("open_only"))),
    told, list, more);
  let numbers = null;
  let timer = null;
  let asking = null;
  let stores = [];
  let cursor = null;
  let radiusM = USUAL_RADIUS_M;

  function soon() {
    clearTimeout(timer);
    radiusM = USUAL_RADIUS_M;
    timer = setTimeout(ask, PAUSE_MS);
  }

  async function ask({ isMore = false } = {}) {
    if (state.door === null) return;
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    element.setAttribute("aria-busy", "true");
    try {
      const page = await pageFrom(isMore ? cursor : null, signal);
      if (signal.aborted) return;
      const seen = isMore ? stores.length : 0;
      stores = isMore ? [...stores, ...page.stores] : page.stores;
      cursor = page.next_cursor;
      draw(seen);
      say(t("stores_found", { n: number(stores.length) }));
      if (isMore) list.children[seen]?.querySelector("a")?.focus();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      fill(told, problemNotice(problem, () => ask()));
    }
    element.removeAttribute("aria-busy");
  }

  function pageFrom(from, signal) {
    return get("/v1/stores/nearby", {
      ...state.door, datum: state.datum, radius_m: radiusM, limit: PAGE, open_now: state.openNow || null,
      sku: [...state.basket.keys()], cursor: from,
    }, { signal });
  }

  /** What is in the list, as it is by now: stores open and close, and sell. Of no answer the list stays as it is. */
  async function refresh() {
    if (document.visibilityState !== "visible" || state.door === null || element.getAttribute("aria-busy") === "true") return;
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const fresh = [];
    let next = null;
    try {
      do {
        const page = await pageFrom(next, signal);
        fresh.push(...page.stores);
        next = page.next_cursor;
      } while (next !== null && fresh.length < stores.length);
    } catch { return; }
    if (signal.aborted || JSON.stringify(fresh) === JSON.stringify(stores)) return;
    const had = stores[[...list.children].findIndex((entry) => entry.contains(document.activeElement))]?.store_id;
    stores = fresh;
    cursor = next;
    draw(0);
    if (had === undefined) return;
    const at = stores.findIndex((store) => store.store_id === had);
    list.children[Math.max(0, at)]?.querySelector("a").focus({ preventScroll: true });
  }

  function draw(seen) {
    fill(told, stores.length > 0 ? null : nothing());
    fill(count, stores.length > 0 ? t(cursor === null ? "count" : "count_and_more", { n: number(stores.length) }) : "");
    if (seen === 0) list.replaceChildren();
    list.append(...stores.slice(seen).map((store, i) => entry(store, seen + i)));
    show(more, cursor !== null);
    numbers?.draw(stores);
  }

  function nothing() {
    const goods = [...state.basket.keys()];
    const text = goods.length > 0 ? t("none_has_it", { km: radiusM / 1000 }) : t("none_around", { km: radiusM / 1000 });
    const wider = h("button", { type: "button", onclick: () => {
      radiusM = WIDE_RADIUS_M;
      ask();
    } }, t("look_further", { km: WIDE_RADIUS_M / 1000 }));
    return h("div", { class: "empty" }, h("p", {}, text), radiusM < WIDE_RADIUS_M ? wider : null);
  }

  function entry(store, index) {
    const element = h("li", {
      id: `store-${index}`, class: `store${store.open_now ? "" : " is-closed"}`,
      onmouseenter: () => mark(index, true), onmouseleave: () => mark(index, false),
      onfocusin: () => mark(index, true), onfocusout: () => mark(index, false),
    },
    h("span", { class: "store-number", "aria-hidden": "true" }, index + 1),
    h("div", { class: "store-body" },
      h("a", { class: "store-name", href: `/s/${encodeURIComponent(store.store_id)}` }, store.name ?? store.store_id),
      h("p", { class: store.open_now ? "small soft" : "small warn" }, opening(store)),
      Object.keys(store.stock).length === 0 ? null : stockList(store.stock),
      store.delivers_here ? null : h("p", { class: "small soft" }, t("does_not_deliver"))),
    h("span", { class: "store-distance end" }, distance(store.distance_m)));
    return element;
  }

  function mark(index, isMarked) {
    list.children[index]?.classList.toggle("is-marked", isMarked);
    numbers?.mark(index, isMarked);
  }

  function connect(map) {
    numbers = numbersOnMap(map, {
      onPoint: (index, isMarked) => mark(index, isMarked),
      onChoose: (index) => {
        const chosen = list.children[index];
        chosen?.scrollIntoView({ block: "center" });
        chosen?.querySelector("a").focus({ preventScroll: true });
      },
    });
    on("door basket filter", soon);
    document.addEventListener("visibilitychange", refresh);
    setInterval(refresh, REFRESH_MS);
    return ask();
  }

  return {
    element,
    connect,
    /** While an order is watched, or an answer looked at, the numbers are in its way. */
    showNumbers: (isShown) => numbers?.show(isShown),
  };
}

function stockList(stock) {
  const goods = Object.entries(stock).map(([sku, n]) => h("li", {},
    h("span", { class: "stock-name" }, nameOf(sku)),
    h("span", { class: n === null ? "tag warn" : "tag" }, n === null ? t("stock_unknown") : t("stock", { n }))));
  const rest = goods.slice(FIRST_GOODS);
  return [
    h("ul", { class: "stock" }, goods.slice(0, FIRST_GOODS)),
    rest.length === 0 ? null : h("details", {},
      h("summary", { class: "small" }, counted("stock_more", rest.length)), h("ul", { class: "stock" }, rest)),
  ];
}
