// The store whose page this is: what one needs to know of it.

import { fill, h } from "../lib/dom.js";
import { opening } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { t } from "./words.js";

/** The card of a store as GET /v1/stores/{store_id} tells it. */
export function storeCard(store) {
  const hours = store.opening_hours && store.opening_hours !== "24/7" ? store.opening_hours : null;
  return h("section", { class: "part store-card", "aria-labelledby": "store-title" },
    h("h2", { id: "store-title" }, store.name ?? store.store_id),
    store.active === false ? h("p", { class: "notice" }, t("store_inactive")) : null,
    store.address ? h("p", { class: "soft" }, store.address) : null,
    h("p", {}, h("span", { class: store.open_now ? "tag" : "tag warn" }, opening(store)), " ",
      hours === null ? null : h("span", { class: "small soft" }, hours)),
    h("div", { class: "row" },
      store.phone ? h("a", { class: "button", href: `tel:${store.phone.replace(/[^\d+*#]/g, "")}` }, t("call", { phone: store.phone })) : null,
      h("a", { class: "small", href: "/" }, t("all_stores"))));
}

/** No store of this id, or nobody tells. */
export function storeMissing(storeId, problem, again) {
  if (problem.status !== 404) return problemNotice(problem, again);
  return fill(h("section", { class: "part empty-page" }),
    h("h2", {}, t("store_unknown")),
    h("p", {}, t("store_unknown_text", { id: storeId })),
    h("a", { class: "button primary", href: "/" }, t("to_the_map")));
}
