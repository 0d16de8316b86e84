// All stores on a map, one of them by its id, and what they cover.

import { get, step } from "../lib/api.js";
import { announcer, fill, h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { openMap } from "../lib/map.js";
import { problemNotice } from "../lib/parts.js";
import { showStores } from "../lib/stores_layer.js";
import { coveragePanel } from "./coverage.js";
import { t } from "./map_words.js";
import { codeInput, field, heading } from "./pieces.js";
import { linkTo } from "./places.js";
import { storeCard } from "./store_card.js";
import { t as common } from "./words.js";

const LISTED = 30;
const announce = announcer();

export function mapView() {
  const ground = h("div", { class: "stores-map" });
  const chosen = h("div", { class: "stack" });
  const found = h("div", { class: "stack" });
  const coverage = h("div", {});
  const id = field(t("find_store"), codeInput({ type: "search", required: true }));
  const search = h("form", { class: "card row bottom nowrap", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const wanted = id.control.value.trim();
    if (wanted === "") return;
    if (location.hash === linkTo("map", wanted)) choose(wanted);
    else location.hash = linkTo("map", wanted);
  } }, id.element, h("button", { type: "submit", class: "primary" }, t("find")));
  const element = h("section", { class: "view map-view" },
    h("aside", { class: "panel stack" }, heading(2, common("map"), { class: "for-readers" }), search, chosen, coverage, found), ground);
  let opening = null;
  let opened = null;
  let layer = null;
  let card = null;
  let asked = 0;

  async function open() {
    try {
      opened = await openMap(ground, { label: t("stores_map") });
    } catch (problem) {
      opening = null;
      fill(found, problemNotice(problem, () => {
        fill(found);
        opening ??= open();
        opening.catch(() => null);
      }));
      throw problem;
    }
    layer = showStores(opened.map, {
      datum: opened.datum,
      onStore: (store) => {
        location.hash = linkTo("map", store.store_id);
      },
      onTold: list,
      onProblem: (problem) => fill(found, problemNotice(problem, () => layer.refresh())),
    });
    fill(coverage, coveragePanel(opened).element);
  }

  function list({ total, stores }) {
    const text = total === 1 ? t("one_in_view") : total === 0 ? t("none_in_view") : t("stores_in_view", { n: number(total) });
    const few = stores?.slice(0, LISTED) ?? [];
    fill(found, h("section", { class: "card stack" }, heading(2, text),
      stores === null ? h("p", { class: "soft" }, t("zoom_to_list"))
        : h("ul", { class: "list" }, few.map((store) => h("li", {},
          h("a", { class: "listed", href: linkTo("map", store.store_id) },
            h("span", { class: "ellipsis" }, store.name ?? common("unnamed")), h("code", { class: "soft end" }, store.store_id))))),
      few.length > 0 && few.length < stores.length
        && h("p", { class: "soft small" }, t("list_more", { n: number(stores.length - few.length) }))));
  }

  async function choose(storeId) {
    card?.remove();
    card = null;
    const mine = (asked += 1);
    fill(chosen, h("p", { class: "soft card" }, common("loading")));
    try {
      opening ??= open();
      await opening;
      const store = await get(`/v1/stores/${step(storeId)}`, { datum: opened.datum });
      // Another one may be looked at by now, or none.
      if (mine !== asked) return;
      card = storeCard(store, { ...opened, onClose: () => {
        location.hash = linkTo("map");
        id.control.focus();
      } });
      fill(chosen, card.element);
      opened.map.setView([store.lat, store.lon], Math.max(15, opened.map.getZoom()), { animate: false });
      announce(store.name ?? storeId);
    } catch (problem) {
      if (mine !== asked) return;
      const isUnknown = problem.code === "store_not_found";
      fill(chosen, isUnknown ? h("p", { class: "notice", role: "alert" }, common("no_such_store", { id: storeId }))
        : problemNotice(problem, () => choose(storeId)));
    }
  }

  return {
    element,
    async enter({ what }) {
      if (what === null) {
        asked += 1;
        card?.remove();
        card = null;
        fill(chosen);
      } else {
        id.control.value = what;
        choose(what);
      }
      opening ??= open();
      await opening.catch(() => null);
      // While it was hidden the map had no size; and it may be hidden again by now.
      if (!element.hidden) opened?.map.invalidateSize();
    },
  };
}
