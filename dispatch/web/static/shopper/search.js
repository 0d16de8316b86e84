// Search of goods: a text field with suggestions, by mouse, finger, keys and ear (the ARIA pattern of a combobox).

import { get } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { problemText } from "../lib/parts.js";
import { setQuantity, state, storeId } from "./state.js";
import { t } from "./words.js";

const PAUSE_MS = 150;
const MOST = 8;

/** The field and its list. `say` reads out to screen readers. */
export function searchField(say) {
  const input = h("input", {
    id: "goods", type: "text", role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "search",
    maxlength: 64, placeholder: t("search_hint"), "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "goods-found",
  });
  const list = h("ul", { id: "goods-found", class: "suggestions", role: "listbox", "aria-label": t("suggestions"), hidden: true });
  const told = h("p", { class: "small soft", hidden: true });
  let found = [];
  let active = -1;
  let timer = null;
  let asking = null;

  function close() {
    clearTimeout(timer);
    asking?.abort();
    found = [];
    mark(-1);
    show(list, false);
    input.setAttribute("aria-expanded", "false");
  }

  function mark(index) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = index;
    const option = list.children[active];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function choose(good) {
    const hadRoom = setQuantity(good, (state.basket.get(good.sku)?.quantity ?? 0) + 1);
    say(t(hadRoom ? "added" : "basket_full", { name: good.name ?? good.sku }));
    fill(told, hadRoom ? "" : t("basket_full"));
    show(told, !hadRoom);
    input.value = "";
    close();
  }

  async function suggest() {
    const q = input.value.trim();
    asking?.abort();
    if (q === "") return close();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const goods = await goodsFor(q, signal);
      if (!signal.aborted) offer(goods, q);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      close();
      fill(told, problemText(problem));
      show(told, true);
    }
  }

  function offer(goods, q) {
    found = goods;
    fill(list, goods.map((good, index) => option(good, index, choose)));
    mark(-1);
    show(list, goods.length > 0);
    input.setAttribute("aria-expanded", String(goods.length > 0));
    fill(told, goods.length > 0 ? "" : t(storeId !== null && state.onlyHere ? "nothing_found_here" : "nothing_found", { q }));
    show(told, goods.length === 0);
    say(goods.length > 0 ? t("goods_found", { n: goods.length }) : told.textContent);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    const n = found.length;
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown" && n > 0) mark((active + 1) % n);
    else if (event.key === "ArrowUp" && n > 0) mark(active <= 0 ? n - 1 : active - 1);
    else if (event.key === "Enter" && n > 0) choose(found[Math.max(0, active)]);
    else return;
    event.preventDefault();
  });
  // Suggestions never take the focus, so whoever leaves the field leaves them too.
  input.addEventListener("blur", close);
  input.addEventListener("focus", () => input.value !== "" && suggest());
  return h("div", { class: "search" }, h("label", { class: "for-readers", for: "goods" }, t("search_label")), h("div", { class: "search-box" }, input, list), told);
}

function option(good, index, choose) {
  return h("li", {
    id: `good-${index}`, role: "option", "aria-selected": "false",
    onmousedown: (event) => event.preventDefault(), onclick: () => choose(good),
  }, h("span", {}, good.name ?? t("by_sku", { sku: good.sku })),
  good.stock === undefined ? null : h("span", { class: "end small soft" }, stockWord(good.stock)));
}

function stockWord(stock) {
  return stock === null ? t("stock_unknown") : t("stock_here", { n: stock });
}

/** Goods for what is written, with the stock of the page's store where only that may bring them. */
async function goodsFor(q, signal) {
  const { items } = await get("/v1/items", { q, limit: MOST }, { signal });
  return state.store === null || !state.onlyHere ? items : hadHere(items, state.store, signal);
}

async function hadHere(goods, store, signal) {
  const stocks = await Promise.all(goods.map(async (good) => {
    const around = { lat: store.lat, lon: store.lon, datum: state.datum, radius_m: 20, sku: good.sku, fields: "store_id,stock", limit: 200 };
    const { stores } = await get("/v1/stores/nearby", around, { signal });
    return stores.find((one) => one.store_id === store.store_id)?.stock[good.sku];
  }));
  return goods.map((good, i) => ({ ...good, stock: stocks[i] })).filter((good) => good.stock !== undefined);
}
