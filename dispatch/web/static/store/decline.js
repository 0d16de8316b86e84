// To decline an order: why, and what is missing.

import { openDialog } from "../lib/dialog.js";
import { fill, h, show } from "../lib/dom.js";
import { nameOf, shortId } from "./card.js";
import { t } from "./words.js";

const REASONS = ["out_of_stock", "closed", "too_busy", "other"];

/** Ask why; `onDecline` gets `{reason, skus}`, if it is to be declined at all. The dialog is given back. */
export function askDecline({ order, note }, onDecline) {
  const title = t("decline_title", { id: shortId(order.order_id) });
  const ticks = order.lines.map((line) => h("input", { type: "checkbox", value: line.sku, checked: order.lines.length === 1 }));
  const missing = h("fieldset", { class: "missing", hidden: true }, h("legend", {}, t("which_missing")),
    order.lines.map((line, i) => h("label", { class: "row" }, ticks[i], nameOf(line, note))));
  const wrong = h("p", { class: "bad", role: "alert" });
  const form = h("form", { class: "stack", onsubmit: decide },
    h("p", {}, t("decline_text")),
    h("fieldset", { class: "reasons" }, h("legend", {}, t("why")), REASONS.map((reason) => h("label", { class: "row reason" },
      h("input", { type: "radio", name: "reason", value: reason, onchange: choose }),
      h("span", {}, h("span", { class: "strong" }, t(`why_${reason}`)), h("span", { class: "soft small" }, t(`follows_${reason}`)))))),
    missing, wrong,
    h("div", { class: "row answers" },
      h("button", { type: "button", onclick: () => dialog.close() }, t("keep")),
      h("button", { type: "submit", class: "danger end" }, t("decline_now"))));
  const dialog = openDialog(title, form, { kind: "decline" });

  function choose() {
    show(missing, chosen() === "out_of_stock");
    fill(wrong);
  }

  function chosen() {
    return new FormData(form).get("reason");
  }

  function decide(event) {
    event.preventDefault();
    const reason = chosen();
    const skus = reason === "out_of_stock" ? ticks.filter((tick) => tick.checked).map((tick) => tick.value) : [];
    if (reason === null) return fill(wrong, t("choose_reason"));
    if (reason === "out_of_stock" && skus.length === 0) return fill(wrong, t("choose_lines"));
    dialog.close();
    return onDecline({ reason, skus });
  }

  return dialog;
}
