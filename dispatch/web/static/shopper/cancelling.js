// "Cancel this order?", since there is no way back.

import { h } from "../lib/dom.js";
import { t } from "./words.js";

/** Whether the shopper means it. */
export function askToCancel() {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "cancel-title", onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } },
    h("form", { method: "dialog", class: "stack" },
      h("h2", { id: "cancel-title" }, t("cancel_title")),
      h("p", {}, t("cancel_text")),
      h("div", { class: "row" },
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close("no") }, t("cancel_no")),
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, t("cancel_yes")))));
    document.body.append(dialog);
    dialog.showModal();
  });
}
