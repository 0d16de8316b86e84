// No store can: why, who came closest, and what would help.

import { h } from "../lib/dom.js";
import { clock, distance } from "../lib/format.js";
import { passedOver } from "./passed_over.js";
import { why } from "./reasons.js";
import { nameOf, setQuantity, setTerms, state } from "./state.js";
import { counted, t } from "./words.js";

const LONGEST_PROMISE_MIN = 240;
const ROUND_MIN = 15;

/**
 * The answer of a quote, or the refusal of an order, that cannot be met. `askAgain` asks the question as it then is.
 */
export function noStoreView(answer, names, askAgain) {
  const miss = answer.nearest_miss ?? null;
  const isAlone = miss === null || state.onlyHere;
  return [
    h("div", { class: "notice" },
      h("p", { class: "strong" }, t(state.onlyHere ? "no_store_here" : "no_store", { minutes: state.promiseMinutes })),
      isAlone ? h("p", {}, t("because", { why: why(answer.reason, answer.detail) })) : null),
    isAlone ? null : h("div", {},
      h("h3", {}, t("nearest_miss")),
      h("p", {}, names.get(miss.store_id) ?? miss.store_id, h("span", { class: "soft small" }, ` · ${distance(miss.distance_m)}`)),
      h("p", { class: "small soft" }, why(miss.reason, miss.detail))),
    h("div", { class: "stack tight" },
      h("h3", {}, t("what_helps")),
      h("ul", { class: "helps" }, helps(answer, askAgain).map((way) => h("li", {}, way)))),
    state.onlyHere || !answer.certificate ? null
      : h("p", { class: "small certificate" }, counted("certificate_none", answer.certificate.examined)),
    state.onlyHere ? null : passedOver(answer, names),
  ];
}

function helps(answer, askAgain) {
  const { reason, detail = {} } = answer;
  const ways = [];
  const good = detail?.sku === undefined ? undefined : state.basket.get(detail.sku);
  if (reason === "insufficient_stock" && good !== undefined && detail.available > 0) {
    ways.push(doing(t("help_fewer", { n: detail.available, name: nameOf(detail.sku) }), () => takeOnly(good, detail.available), askAgain));
  }
  if (["insufficient_stock", "unknown_sku", "stale_stock"].includes(reason) && good !== undefined && state.basket.size > 1) {
    ways.push(doing(t("help_without", { name: nameOf(detail.sku) }), () => takeOnly(good, 0), askAgain));
  }
  if (reason === "promise_missed" && answer.nearest_miss?.eta) {
    const minutes = Math.ceil(answer.nearest_miss.eta.total_s / 60 / ROUND_MIN) * ROUND_MIN;
    if (minutes <= LONGEST_PROMISE_MIN) {
      ways.push(doing(t("help_longer", { minutes }), () => setTerms({ promiseMinutes: minutes }), askAgain));
    }
  }
  if (state.onlyHere) ways.push(doing(t("help_any_store"), () => setTerms({ onlyHere: false }), askAgain));
  if (reason === "closed" && detail?.opens_at) ways.push(t("help_open_at", { time: clock(detail.opens_at) }));
  if (["at_capacity", "closes_too_soon", "stale_stock", "insufficient_stock"].includes(reason)) ways.push(t("help_later"));
  if (["outside_delivery_zone", "unreachable", "promise_missed"].includes(reason)) ways.push(t("help_other_door"));
  if (reason === "unknown_sku" && state.basket.size <= 1) ways.push(t("help_other_good"));
  return ways.length > 0 ? ways : [t("help_later")];
}

/** Who has agreed to wait longer agrees to less of it, too. */
function takeOnly(good, quantity) {
  const { promiseMinutes } = state;
  setQuantity(good, quantity);
  if (state.promiseMinutes !== promiseMinutes) setTerms({ promiseMinutes });
}

function doing(text, change, askAgain) {
  return h("button", { type: "button", onclick: () => {
    change();
    askAgain();
  } }, text);
}
