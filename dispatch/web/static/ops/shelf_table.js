// A shelf as a table: as many rows as are read, found by sku or name.

import { fill, h } from "../lib/dom.js";
import { money, number } from "../lib/format.js";
import { learnNames, nameOf, skusOf } from "./items.js";
import { codeInput, when } from "./pieces.js";
import { t } from "./stock_words.js";
import { t as common } from "./words.js";

const AT_ONCE = 60;
const PAUSE_MS = 200;
const FIGURES = ["available", "on_hand", "reserved", "safety_stock", "withheld", "short"];
const FILTERS = { all: () => true, short: (row) => row.short > 0, withheld: (row) => row.withheld > 0, zero: (row) => row.available === 0 };
const NEVER = "2000-01-01";

/** The table with its search and filters: `{element, show}`. `onCount(row)` and `onRelease(row)` are asked for by its buttons. */
export function shelfTable({ onCount, onRelease }) {
  let rows = [];
  let most = AT_ONCE;
  let filter = "all";
  let found = null;
  let asking = null;
  let timer = null;

  const search = codeInput({ type: "search", "aria-label": t("find_item"), placeholder: t("find_item"), oninput: () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE_MS);
  } });
  const filters = h("div", { class: "chips", role: "group", "aria-label": t("show") });
  const told = h("p", { class: "small soft", role: "status" });
  const body = h("tbody", {});
  const caption = h("div", { class: "scroll shelf", tabindex: "0", role: "region" }, h("table", {},
    h("thead", {}, h("tr", {}, ["item", ...FIGURES, "price", "counted", "actions"].map((name) => h("th", {
      scope: "col", class: FIGURES.includes(name) || name === "price" ? "number" : null,
    }, t(name))))), body));
  const below = h("div", {});
  const element = h("div", { class: "stack" }, h("div", { class: "row" }, search, filters), told, caption, below);

  async function find() {
    const text = search.value.trim();
    asking?.abort();
    found = null;
    most = AT_ONCE;
    draw();
    if (text === "") return;
    asking = new AbortController();
    try {
      const skus = await skusOf(text, asking.signal);
      found = new Set(skus);
      draw();
    } catch { /* the skus themselves are searched all the same */ }
  }

  function matching() {
    const text = search.value.trim().toLowerCase();
    return rows.filter(FILTERS[filter]).filter((row) => text === "" || row.sku.toLowerCase().includes(text) || found?.has(row.sku)
      || (nameOf(row.sku) ?? "").toLowerCase().includes(text));
  }

  async function draw() {
    const all = matching();
    const shown = all.slice(0, most);
    const focused = document.activeElement?.dataset?.filter;
    fill(filters, Object.keys(FILTERS).map((name) => h("button", {
      type: "button", class: "chip", "aria-pressed": String(name === filter), "data-filter": name, onclick: () => choose(name),
    }, t(`filter_${name}`), name !== "all" && h("span", { class: "chip-count" }, number(rows.filter(FILTERS[name]).length)))));
    if (focused) filters.querySelector(`[data-filter="${focused}"]`)?.focus();
    told.textContent = rows.length === 0 ? t("shelf_empty") : all.length === 0 ? t("none_match")
      : t("rows_shown", { n: number(all.length), total: number(rows.length) });
    caption.hidden = all.length === 0;
    fill(body, shown.map(line));
    fill(below, all.length > most && h("button", { type: "button", onclick: () => {
      most += AT_ONCE * 3;
      draw();
    } }, common("more")));
    const unnamed = shown.filter((row) => nameOf(row.sku) === null).map((row) => row.sku);
    if (unnamed.length === 0) return;
    await learnNames(unnamed);
    for (const cell of body.querySelectorAll("[data-name]")) cell.textContent = nameOf(cell.dataset.name) ?? "";
  }

  function choose(name) {
    filter = name;
    most = AT_ONCE;
    draw();
  }

  function line(row) {
    const name = nameOf(row.sku) ?? row.sku;
    return h("tr", {},
      h("th", { scope: "row" }, h("span", { class: "names" },
        h("span", { "data-name": row.sku }, nameOf(row.sku)), h("code", { class: "soft" }, row.sku))),
      FIGURES.map((figure) => h("td", {
        class: `number figure-${figure}${row[figure] === 0 ? " zero" : ""}`, "data-label": t(figure),
      }, number(row[figure]))),
      h("td", { class: "number", "data-label": t("price") }, money(row.price, row.currency) || "–"),
      h("td", { "data-label": t("counted") }, row.as_of.startsWith(NEVER) ? t("never") : when(row.as_of)),
      h("td", {}, h("span", { class: "row" },
        h("button", { type: "button", "aria-label": t("count_of", { name }), onclick: () => onCount(row) }, t("count")),
        row.withheld > 0
          && h("button", { type: "button", "aria-label": t("release_of", { name }), onclick: () => onRelease(row) }, t("release")))));
  }

  return {
    element,
    show(shelf, label) {
      rows = shelf;
      caption.setAttribute("aria-label", label);
      draw();
    },
    reset() {
      search.value = "";
      filter = "all";
      most = AT_ONCE;
      found = null;
    },
    withheld: () => rows.filter((row) => row.withheld > 0).length,
  };
}
