import { h } from "../lib/dom.js";
import { heading } from "./pieces.js";
import { t } from "./words.js";

export function mapView() {
  return { element: h("section", { class: "view" }, heading(2, t("map"))), enter() {} };
}
