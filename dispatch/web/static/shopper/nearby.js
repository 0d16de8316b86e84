// Stores around the door: as a list, and as numbers on the map.

import { get } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { distance, number, opening } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { numbersOnMap } from "./numbers.js";
import { nameOf, on, setOpenNow, state } from "./state.js";
import { t } from "./words.js";

const PAUSE_MS = 180;
const PAGE = 20;
const USUAL_RADIUS_M = 3_000;
const WIDE_RADIUS_M = 20_000;

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
    const query = {
      ...state.door, datum: state.datum, radius_m: radiusM, limit: PAGE, open_now: state.openNow || null,
      sku: [...state.basket.keys()], cursor: isMore ? cursor : null,
    };
    try {
      const page = await get("/v1/stores/nearby", query, { signal });
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
    return ask();
  }

  return {
    element,
    connect,
    /** While an order is watched the numbers are in its way. */
    showNumbers: (isShown) => numbers?.show(isShown),
  };
}

function stockList(stock) {
  return h("ul", { class: "stock" }, Object.entries(stock).map(([sku, n]) => h("li", {},
    h("span", { class: "stock-name" }, nameOf(sku)),
    h("span", { class: n === null ? "tag warn" : "tag" }, n === null ? t("stock_unknown") : t("stock", { n })))));
}
