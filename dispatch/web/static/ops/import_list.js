// The imports of before, newest first.

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { t } from "./import_words.js";
import { choices, heading, when } from "./pieces.js";
import { linkTo } from "./places.js";
import { t as common } from "./words.js";

const LOOKS = { running: "warn", done: "", failed: "bad", undone: "quiet" };
const COUNTS = [["created", "+"], ["updated", "~"], ["removed", "−"], ["failed", "!"]];

/** The list: `{element, refresh}`. */
export function importList() {
  const kind = filter("filter_kind", [["", t("any_kind")], ...["stores", "stock", "items"].map((one) => [one, t(one)])]);
  const status = filter("filter_status", [["", t("any_status")], ...Object.keys(LOOKS).map((one) => [one, t(`status_${one}`)])]);
  const list = h("ul", { class: "list past" });
  const below = h("div", {});
  const element = h("section", { class: "card stack" }, heading(2, t("past")),
    h("div", { class: "row filters" }, kind.element, status.element), list, below);
  let asking = null;

  function filter(label, pairs) {
    const control = h("select", { onchange: refresh }, choices(pairs));
    return { control, element: h("label", {}, h("span", { class: "for-readers" }, t(label)), control) };
  }

  async function refresh() {
    asking?.abort();
    asking = new AbortController();
    await page(null, asking.signal);
  }

  async function page(cursor, signal) {
    const query = { kind: kind.control.value, status: status.control.value, limit: 20, cursor };
    try {
      const told = await get("/v1/imports", query, { signal });
      if (signal.aborted) return;
      if (cursor === null) fill(list, told.imports.map(entry));
      else list.append(...told.imports.map(entry));
      const nothing = t(query.kind || query.status ? "nothing_matches" : "nothing_yet");
      fill(below, list.children.length === 0 && h("p", { class: "soft" }, nothing), told.next_cursor !== null
        && h("button", { type: "button", onclick: () => page(told.next_cursor, signal) }, common("more")));
    } catch (problem) {
      if (problem.name !== "AbortError") fill(below, problemNotice(problem, refresh));
    }
  }

  return { element, refresh };
}

function entry(record) {
  return h("li", {}, h("a", { class: "past-import", href: linkTo("imports", record.import_id) },
    h("span", { class: "row" },
      h("strong", { class: "ellipsis" }, record.filename ?? t("no_filename")),
      h("span", { class: "row end" }, record.dry_run && h("span", { class: "tag warn" }, t("dry_run")),
        h("span", { class: `tag ${LOOKS[record.status] ?? ""}` }, t(`status_${record.status}`)))),
    h("span", { class: "row small soft" }, t("meta", { kind: t(record.kind), partner: record.partner }), when(record.created_at),
      h("span", { class: "end tabular" }, COUNTS.filter(([name]) => record[name] > 0)
        .map(([name, sign]) => h("span", { class: `small-count count-${name}`, title: t(name) },
          h("span", { class: "for-readers" }, `${t(name)} `), h("span", { "aria-hidden": "true" }, sign), number(record[name])))))));
}
