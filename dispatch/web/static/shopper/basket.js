// The basket: what is wanted, and how many of each.

import { fill, h } from "../lib/dom.js";
import { on, setQuantity, state } from "./state.js";
import { t } from "./words.js";

/** The list, which keeps itself right. */
export function basketList() {
  const list = h("ul", { class: "list basket", "aria-label": t("basket") });
  const rows = new Map();

  function draw() {
    for (const [sku, row] of rows) {
      if (state.basket.has(sku)) continue;
      row.element.remove();
      rows.delete(sku);
    }
    for (const good of state.basket.values()) {
      if (!rows.has(good.sku)) {
        const row = rowOf(good);
        rows.set(good.sku, row);
        list.append(row.element);
      }
      rows.get(good.sku).show(good.quantity);
    }
  }

  on("basket", draw);
  draw();
  return list;
}

function rowOf(good) {
  const name = good.name ?? good.sku;
  const count = h("input", {
    class: "count", type: "text", inputmode: "numeric", pattern: "[0-9]*", maxlength: 3, "aria-label": t("quantity_of", { name }),
    onchange: () => take(/^\d+$/.test(count.value.trim()) ? Number(count.value) : quantity()),
  });
  const quantity = () => state.basket.get(good.sku)?.quantity ?? 0;
  const less = h("button", { type: "button", class: "step", onclick: () => take(quantity() - 1) });
  const more = h("button", { type: "button", class: "step", "aria-label": t("one_more", { name }), onclick: () => take(quantity() + 1) }, "+");
  const element = h("li", { class: "basket-row" },
    h("span", { class: "good-name" }, name),
    h("span", { class: "stepper", role: "group", "aria-label": name }, less, count, more));

  function take(wanted) {
    // The row that had the focus goes away: the search is where one goes on.
    if (wanted <= 0 && element.contains(document.activeElement)) document.getElementById("goods")?.focus();
    setQuantity(good, wanted);
    if (wanted > 0) count.value = String(quantity());
  }

  return {
    element,
    show(wanted) {
      count.value = String(wanted);
      fill(less, wanted === 1 ? "×" : "−");
      less.setAttribute("aria-label", t(wanted === 1 ? "take_out" : "one_less", { name }));
    },
  };
}
