// What happened to an order that its shopper should know: not each step, but what went otherwise.

import { h } from "../lib/dom.js";
import { clockAs } from "../lib/format.js";
import { t } from "./words.js";

const TOLD = new Set(["declined", "not_accepted", "promise_lost", "moved", "reassigned", "unfulfillable", "stock_short", "cancelled", "failed",
  "returned", "expired"]);
const DECLINED_FOR = new Set(["out_of_stock", "closed", "too_busy"]);

/** A list, oldest first; null where all went as it should. */
export function happened(events, zone) {
  const told = events.filter((event) => TOLD.has(event.event));
  if (told.length === 0) return null;
  return h("div", { class: "stack tight" }, h("h3", {}, t("happened")),
    h("ol", { class: "events" }, told.map((event) => h("li", {},
      h("span", { class: "soft small tabular" }, clockAs(event.at, zone)), h("span", {}, sentence(event))))));
}

function sentence({ event, detail }) {
  const reason = detail?.reason;
  if (event === "declined" && DECLINED_FOR.has(reason)) return t(`event_declined_${reason}`);
  return t(`event_${event}`);
}
