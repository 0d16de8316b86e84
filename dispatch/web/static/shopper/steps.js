// How far an order has come.

import { h } from "../lib/dom.js";
import { t } from "./words.js";

const STEPS = ["confirmed", "accepted", "ready", "picked_up", "delivered"];

/** The five steps, those that are behind marked as done and the one it is at as the current one. */
export function steps(status) {
  const at = STEPS.indexOf(status);
  return h("ol", { class: "steps" }, STEPS.map((one, index) => {
    const state = index < at || status === "delivered" ? "is-done" : index === at ? "is-current" : "";
    return h("li", { class: state, "aria-current": index === at ? "step" : null },
      h("span", { class: "step-mark", "aria-hidden": "true" }), h("span", {}, t(`step_${one}`)),
      state === "is-done" && index !== at ? h("span", { class: "for-readers" }, t("done")) : null);
  }));
}
