// The stores that an import changes, as a map and as a list.

import { get, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { distance, number } from "../lib/format.js";
import { colour, onColours, openMap, textLabel } from "../lib/map.js";
import { problemNotice } from "../lib/parts.js";
import { changeMark } from "./icons.js";
import { t } from "./import_words.js";
import { heading, table } from "./pieces.js";
import { t as common } from "./words.js";
import { linkTo } from "./places.js";
import { shapeMarker } from "./shape_marker.js";

const L = globalThis.L;
const COLOURS = { created: "accent", updated: "warn", removed: "bad", counted: "part-travel" };
const LISTED = 20;

/** The part of the account about places: `{element, remove}`. */
export function changesOf(record) {
  const ground = h("div", { class: "changes-map" });
  const below = h("div", { class: "stack" }, h("p", { class: "soft" }, common("loading")));
  const element = h("section", { class: "card stack" },
    heading(3, t(record.dry_run ? "changes_dry_head" : "changes_head")), ground, below);
  let opened = null;
  let isRemoved = false;

  async function load() {
    try {
      if (opened === null) {
        const made = await openMap(ground, { label: t("changes_map") });
        if (isRemoved) {
          made.close();
          return;
        }
        opened = made;
      }
      const told = await get(`/v1/imports/${step(record.import_id)}/changes`, { datum: opened.datum });
      if (isRemoved) return;
      if (told.features.length === 0) {
        ground.hidden = true;
        fill(below, h("p", {}, t("changes_none")));
        return;
      }
      draw(opened.map, told.features);
      const hasMoved = told.features.some((feature) => feature.properties.from);
      fill(below, legend(told.by_change, hasMoved),
        told.features.length < told.total && h("p", { class: "small soft" },
          t("changes_more", { n: number(told.features.length), total: number(told.total) })),
        list(told.features, opened.map));
    } catch (problem) {
      if (isRemoved) return;
      ground.hidden = true;
      fill(below, problemNotice(problem, () => {
        ground.hidden = false;
        load();
      }));
    }
  }

  load();
  return {
    element,
    remove() {
      isRemoved = true;
      opened?.close();
    },
  };
}

function draw(map, features) {
  const renderer = L.canvas({ padding: 0.3 });
  const group = L.featureGroup();
  const redrawn = [];
  for (const { geometry, properties } of features) {
    const name = COLOURS[properties.change] ?? "soft";
    const at = [geometry.coordinates[1], geometry.coordinates[0]];
    if (properties.from) {
      const way = [[properties.from[1], properties.from[0]], at];
      const line = L.polyline(way, { renderer, weight: 2, color: colour(name), dashArray: "4 4" });
      redrawn.push([line, name]);
      group.addLayer(line);
    }
    const marker = shapeMarker(at, {
      renderer, shape: properties.change, radius: 7, weight: 2, color: colour(properties.change === "removed" ? name : "paper"),
      fillColor: colour(name), fillOpacity: 1,
    });
    marker.bindTooltip(() => textLabel(properties.name ?? properties.store_id, `${properties.store_id} · ${said(properties)}`));
    redrawn.push([marker, name]);
    group.addLayer(marker);
  }
  group.addTo(map);
  map.fitBounds(group.getBounds().pad(0.1), { maxZoom: 15, animate: false });
  onColours(() => {
    for (const [layer, name] of redrawn) {
      const isCross = layer.options.shape === "removed" || layer.options.shape === undefined;
      layer.setStyle({ color: colour(isCross ? name : "paper"), fillColor: colour(name) });
    }
  }, map);
}

function legend(counts, hasMoved) {
  const there = Object.entries(counts).filter(([, count]) => count > 0);
  return h("ul", { class: "legend" },
    there.map(([change, count]) => h("li", {}, changeMark(change), `${t(`change_${change}`)} `, h("strong", {}, number(count)))),
    hasMoved && h("li", {}, h("span", { class: "mark-line", "aria-hidden": "true" }), t("moved_from")));
}

function list(features, map) {
  const body = h("div", { class: "stack" });
  let most = LISTED;
  const show = () => {
    fill(body, table(t("changes_head"), [t("change"), t("store"), t("what")], features.slice(0, most).map(row)),
      most < features.length && h("button", { type: "button", onclick: more }, common("more")));
  };
  const more = () => {
    most += 200;
    show();
  };
  const lookAt = ({ coordinates: [lon, lat] }) => map.setView([lat, lon], 16);
  const row = ({ geometry, properties }) => [
    h("span", { class: "row nowrap" }, changeMark(properties.change), t(`change_${properties.change}`)),
    h("span", { class: "names" },
      h("button", { type: "button", class: "plain link", onclick: () => lookAt(geometry) }, properties.name ?? common("unnamed")),
      properties.change === "removed" ? h("code", { class: "soft" }, properties.store_id)
        : h("a", { class: "mono", href: linkTo("map", properties.store_id) }, properties.store_id)),
    details(properties),
  ];
  show();
  return body;
}

function said(properties) {
  return [t(`change_${properties.change}`), details(properties)].filter(Boolean).join(", ");
}

function details(properties) {
  const parts = [];
  if (properties.moved_m) parts.push(t("moved", { distance: distance(properties.moved_m) }));
  if (properties.rows !== null && properties.rows !== undefined) parts.push(t("shelf_rows", { n: number(properties.rows) }));
  const fields = (properties.fields ?? []).filter((name) => name !== "lat" && name !== "lon");
  if (fields.length > 0) parts.push(fields.join(", "));
  return parts.join("; ");
}
