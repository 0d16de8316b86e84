// The shelf of a store, and whether it takes orders.

import { get, post, send, step } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { number, opening } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { closuresPart } from "./closures.js";
import { nameOf } from "./items.js";
import { codeInput, confirmed, field, heading } from "./pieces.js";
import { linkTo } from "./places.js";
import { shelfTable } from "./shelf_table.js";
import { t } from "./stock_words.js";
import { t as common } from "./words.js";

export function stockView() {
  let store = null;
  let asking = null;
  const id = field(common("store_id"), codeInput({ type: "search", required: true }));
  const search = h("form", { class: "row bottom", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const wanted = id.control.value.trim();
    if (wanted === "") return;
    if (location.hash === linkTo("stock", wanted)) open(wanted);
    else location.hash = linkTo("stock", wanted);
  } }, id.element, h("button", { class: "primary", type: "submit" }, t("choose")));
  const head = h("div", { class: "row" });
  const notice = h("div", { role: "status" });
  const releaseAll = h("button", { type: "button", onclick: () => release([]) }, t("release_all"));
  const shelf = shelfTable({ onCount: count, onRelease: (row) => release([row.sku]) });
  const side = h("div", { class: "stack" });
  const parts = h("div", { class: "stack", hidden: true }, notice,
    h("section", { class: "card stack" }, head, shelf.element,
      h("div", { class: "row" }, h("button", { type: "button", onclick: () => count(null) }, t("count_more")), releaseAll)), side);
  const told = h("div", {});
  const element = h("section", { class: "view stock stack" }, heading(2, common("stock")), search, told, parts);

  async function open(storeId) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    store = null;
    show(parts, false);
    fill(notice);
    fill(told, h("p", { class: "soft" }, common("loading")));
    try {
      const path = `/v1/stores/${step(storeId)}`;
      const [found, { stock }] = await Promise.all([get(path, {}, { signal }), get(`${path}/stock`, {}, { signal })]);
      if (signal.aborted) return;
      store = found;
      fill(told);
      fill(head, heading(3, store.name ?? storeId), h("code", { class: "soft" }, storeId),
        h("span", { class: `tag ${store.open_now ? "" : "quiet"}` }, opening(store)),
        h("span", { class: "row end" }, h("a", { href: linkTo("map", storeId) }, t("on_the_map")),
          h("a", { href: linkTo("orders", null, { store: storeId }) }, t("its_orders"))));
      shelf.reset();
      draw(stock);
      fill(side, closuresPart(store));
      show(parts, true);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      fill(told, problem.code === "store_not_found" ? h("p", { class: "notice", role: "alert" }, common("no_such_store", { id: storeId }))
        : problemNotice(problem, () => open(storeId)));
    }
  }

  function draw(stock) {
    shelf.show(stock, t("shelf_of", { name: store.name ?? store.store_id }));
    show(releaseAll, shelf.withheld() > 0);
  }

  /**
   * Do something to the shelf of the store that it was meant for, tell what came of it, and read it anew; but nothing of it
   * is shown when another store's is looked at by then.
   */
  async function write(meant, work) {
    const path = `/v1/stores/${step(meant.store_id)}/stock`;
    try {
      const told = await work(path);
      if (store !== meant) return;
      fill(notice, h("p", { class: "notice good-notice" }, told));
      const { stock } = await get(path);
      if (store === meant) draw(stock);
    } catch (problem) {
      if (store === meant) fill(notice, problemNotice(problem));
    }
  }

  async function count(row) {
    const meant = store;
    const sku = field(t("sku"), codeInput());
    const pieces = field(t("pieces"), h("input", {
      type: "number", min: "0", step: "1", inputmode: "numeric", value: row === null ? "" : row.on_hand,
    }));
    const read = () => (/^\d{1,10}$/.test(pieces.control.value.trim()) ? Number(pieces.control.value) : null);
    const isWhole = () => {
      sku.tell(row === null && sku.control.value.trim() === "" ? t("bad_sku") : null);
      pieces.tell(read() === null ? t("bad_count") : null);
      const wrong = [sku, pieces].find((one) => one.control.hasAttribute("aria-invalid"));
      wrong?.control.focus();
      return wrong === undefined;
    };
    const isMeant = await confirmed({
      title: t("count_title"), text: row && t("count_text", { name: nameOf(row.sku) ?? row.sku }), yes: t("save"), isWhole,
      children: [row === null && sku.element, pieces.element],
    });
    if (!isMeant || store !== meant) return;
    const item = { sku: row?.sku ?? sku.control.value.trim(), on_hand: read() };
    await write(meant, async (path) => {
      const { body } = await send("PATCH", path, { json: { items: [item] } });
      return t(body.newer_kept > 0 ? "kept" : "saved", { name: nameOf(item.sku) ?? item.sku, n: number(item.on_hand) });
    });
  }

  async function release(skus) {
    const meant = store;
    if (!(await confirmed({ title: t("release_title"), text: t("release_text"), yes: t("release") })) || store !== meant) return;
    await write(meant, async (path) => t("released", { n: number((await post(`${path}/release`, { skus })).released) }));
  }

  return {
    element,
    enter({ what }) {
      fill(told, what === null && h("p", { class: "soft" }, t("choose_text")));
      if (what === null) {
        asking?.abort();
        store = null;
        show(parts, false);
      } else {
        id.control.value = what;
        open(what);
      }
    },
  };
}
