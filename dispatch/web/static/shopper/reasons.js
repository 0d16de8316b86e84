// Why a store cannot, in words, with the figures that the answer gives.

import { clock, distance, duration } from "../lib/format.js";
import { reasonWord } from "../lib/parts.js";
import { nameOf } from "./state.js";
import { t } from "./words.js";

const SAYINGS = {
  closed: (detail) => (detail.opens_at ? t("why_opens_at", { time: clock(detail.opens_at) }) : null),
  outside_delivery_zone: (detail) => (detail.delivery_radius_m ? t("why_radius", { distance: distance(detail.delivery_radius_m) }) : null),
  stale_stock: (detail) => t("why_stale", { name: nameOf(detail.sku) }),
  insufficient_stock: (detail) => t(detail.available > 0 ? "why_too_few" : "why_none", {
    name: nameOf(detail.sku), available: detail.available, wanted: detail.wanted,
  }),
  at_capacity: (detail) => (detail.resumes_at ? t("why_resumes", { time: clock(detail.resumes_at) }) : t("why_busy")),
  closes_too_soon: (detail) => t("why_closes", { time: clock(detail.closes_at), ready: clock(detail.pickup_by) }),
  promise_missed: (detail) => t("why_late", { total: duration(detail.total_s) }),
  unknown_sku: (detail) => t("why_unknown", { name: nameOf(detail.sku) }),
};

/** What a reason and its detail say; the reason's own word where there is no more to say. */
export function why(reason, detail) {
  const saying = SAYINGS[reason];
  let text = null;
  try {
    text = saying === undefined || !detail ? null : saying(detail);
  } catch { /* a detail that lacks what it had: the word says enough */ }
  return text ?? reasonWord(reason);
}
