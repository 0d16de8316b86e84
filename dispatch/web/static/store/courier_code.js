// The code that a courier scans, and the moment that an order is given to them.

import { post, step } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";
import { fill, h } from "../lib/dom.js";
import { problemNotice } from "../lib/parts.js";
import { shortId } from "./card.js";
import { t } from "./words.js";

const CARRIED = new Set(["confirmed", "accepted", "ready", "picked_up"]);

/** Whether an order of a status has a code: it is to be brought, or on its way. */
export function isCarried(status) {
  return CARRIED.has(status);
}

/** The code of the courier's page of an order, with its link: an element that fills itself. */
export function courierCode({ order_id: id, attempt, status }) {
  if (!isCarried(status)) return h("p", { class: "soft" }, t("no_code"));
  const element = h("div", { class: "courier-code" });
  async function load() {
    fill(element, h("div", { class: "qr" }));
    try {
      const link = await post(`/v1/orders/${step(id)}/courier-link`, { attempt });
      fill(element, h("img", { class: "qr", src: link.qr, alt: t("qr_alt") }),
        h("a", { href: link.url, target: "_blank", rel: "noopener", class: "screen-only" }, t("open_link")));
    } catch (problem) {
      fill(element, problemNotice(problem, load));
    }
  }
  load();
  return element;
}

/** Show a courier the code, and note that they have the goods; `onHandedOver` is called if they have. */
export function askHandOver({ order }, onHandedOver) {
  const dialog = openDialog(t("hand_title", { id: shortId(order.order_id) }), h("div", { class: "stack" },
    h("p", { class: "soft" }, t("hand_text")),
    courierCode(order),
    h("button", { type: "button", class: "primary wide big", onclick: () => { dialog.close(); onHandedOver(); } }, t("handed_over")),
    h("button", { type: "button", class: "wide", onclick: () => dialog.close() }, t("back"))), { kind: "hand-over" });
  return dialog;
}
