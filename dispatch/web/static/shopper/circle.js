// The life circle: from where the door is reached within the minutes chosen; or of a store's page, how far it brings.

import { get, step } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { problemText } from "../lib/parts.js";
import { drawn } from "./drawings.js";
import { on, state, storeId } from "./state.js";
import { counted, t } from "./words.js";

const PAUSE_MS = 250;
const MOST_TOLD = 200;
const CHOICES_MIN = [15, 30, 60];

/** The part of the panel; `connect(map)` once there is one. A store's own area is shown from the start. */
export function circlePart() {
  let isInTheWay = false;
  let isShown = storeId !== null;
  let minutes = 60;
  let map = null;
  let area = null;
  let asking = null;
  let timer = null;
  const told = h("p", { class: "small", role: "status" });
  const toggle = h("button", { type: "button", class: "circle-toggle", "aria-pressed": String(isShown), onclick: () => turn(!isShown) },
    h("span", { class: "circle-mark", "aria-hidden": "true" }), t(storeId === null ? "circle" : "store_circle"));
  const choices = h("fieldset", { class: "choices" }, h("legend", { class: "for-readers" }, t("circle_minutes")),
    CHOICES_MIN.map((n) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "minutes", value: String(n), checked: n === minutes, onchange: () => {
        minutes = n;
        ask({ isFitted: true });
      } }),
      h("span", {}, t("minutes_short", { n })))));
  const element = h("section", { class: "part circle", "aria-label": t(storeId === null ? "circle" : "store_circle") },
    h("div", { class: "row" }, toggle, choices), told);

  function turn(isOn) {
    isShown = isOn;
    toggle.setAttribute("aria-pressed", String(isShown));
    show(choices, isShown);
    if (isShown) ask({ isFitted: true });
    else clear();
  }

  function clear() {
    asking?.abort();
    area?.remove();
    area = null;
    fill(told, "");
  }

  async function ask({ isFitted = false } = {}) {
    if (map === null || !isShown || isInTheWay) return;
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const query = { datum: state.datum, minutes };
    try {
      const answer = storeId === null
        ? await get("/v1/life-circle", { ...state.door, ...query }, { signal })
        : await get(`/v1/stores/${step(storeId)}/life-circle`, query, { signal });
      if (signal.aborted) return;
      draw(answer, isFitted);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      clear();
      fill(told, problemText(problem));
    }
  }

  function draw(answer, isFitted) {
    const feature = storeId === null ? answer.features.find((one) => one.properties.role === "area") : answer;
    area?.remove();
    area = drawn(map, feature, "area");
    const bounds = area.getBounds();
    if (isFitted && bounds.isValid()) map.fitBounds(bounds, { padding: [16, 16] });
    fill(told, storeId === null ? said(answer.features.length - 1) : t("store_circle_told", { minutes }));
  }

  function said(stores) {
    if (stores === 0) return t("circle_empty", { minutes });
    return stores < MOST_TOLD ? counted("circle_told", stores, { minutes }) : t("circle_told_many", { n: number(stores), minutes });
  }

  show(choices, isShown);
  return {
    element,
    /** While an order is watched the area is in its way. */
    showArea(isVisible) {
      isInTheWay = !isVisible;
      asking?.abort();
      if (isVisible) ask();
      else area?.remove();
    },
    connect(opened) {
      map = opened;
      if (storeId === null) on("door", () => {
        clearTimeout(timer);
        timer = setTimeout(ask, PAUSE_MS);
      });
      ask();
    },
  };
}
