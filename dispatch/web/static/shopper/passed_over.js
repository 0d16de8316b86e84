// The stores passed over, and why: how many for each reason, the nearest by name, the rest on demand.

import { h } from "../lib/dom.js";
import { distance, duration, number } from "../lib/format.js";
import { reasonWord } from "../lib/parts.js";
import { why } from "./reasons.js";
import { counted, t } from "./words.js";

const FIRST = 10;

/** What a quote with `explain` tells of them; null where there are none. */
export function passedOver({ passed_over: stores, passed_over_total: total, passed_over_reasons: reasons }, names) {
  if (!total) return null;
  const first = stores.slice(0, FIRST);
  const rest = stores.slice(FIRST);
  const counts = Object.entries(reasons ?? {}).sort((one, other) => other[1] - one[1]);
  const untold = total - stores.length;
  return h("details", { class: "passed" },
    h("summary", {}, h("h3", {}, counted("passed_over", total))),
    h("div", { class: "stack tight" },
      h("ul", { class: "row reasons" }, counts.map(([reason, n]) => h("li", { class: "tag quiet" }, `${reasonWord(reason)} `, h("strong", {}, number(n))))),
      h("ul", { class: "list" }, first.map((store) => entry(store, names))),
      rest.length === 0 ? null : h("details", {},
        h("summary", {}, t("passed_over_rest", { n: number(rest.length) })),
        h("ul", { class: "list" }, rest.map((store) => entry(store, names)))),
      untold > 0 ? h("p", { class: "small soft" }, t("passed_over_untold", { n: number(untold) })) : null));
}

function entry(store, names) {
  const text = store.reason === "slower" && store.key_s !== null ? t("why_slower", { total: duration(store.key_s) }) : why(store.reason, store.detail);
  return h("li", { class: "row passed-store" },
    h("div", { class: "grow" }, h("p", {}, names.get(store.store_id) ?? store.store_id), h("p", { class: "small soft" }, text)),
    h("span", { class: "small soft" }, distance(store.distance_m)));
}
