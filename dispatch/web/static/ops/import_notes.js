// What was wrong or odd in a file: how often, examples, and where all of it can be had.

import { step } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { language } from "../lib/words.js";
import { codeWord } from "./import_code_words.js";
import { t } from "./import_words.js";
import { heading, serviceSaid, table } from "./pieces.js";

// The field that mends what a code says.
const MENDED_BY = {
  datum_required: "datum", datum_changed: "datum", currency_required: "currency", as_of_missing: "as_of", would_empty: "force",
  column_missing: "map", column_twice: "map", encoding_ambiguous: "encoding", encoding_unknown: "encoding", sheet_unknown: "sheet",
  store_of_other_partner: "partner", unknown_store: "partner", outside_country: "country",
};

/** The parts of an import's report, as elements. `onMend(field)` leads back to the form. */
export function notesOf(record, { onMend }) {
  const { report } = record;
  return [
    record.status === "failed" && refusal(report, onMend),
    report.undo?.samples?.length > 0 && kept(report.undo.samples),
    record.failed > 0 && part("errors", record.failed, report.errors, report.errors_by_code, onMend, downloads(record)),
    record.warnings > 0 && part("warnings", record.warnings, report.warnings, report.warnings_by_code, onMend),
    record.ignored > 0 && h("section", { class: "card stack" }, heading(3, t("ignored_head")), byCode(report.ignored_by_code, onMend)),
  ];
}

function refusal(report, onMend) {
  const places = (report.errors ?? []).filter((note) => note.place !== undefined);
  return h("section", { class: "card stack" }, heading(3, t("message")),
    h("p", {}, report.message && messageOf(report), " ", report.code && h("code", { class: "soft" }, report.code)),
    places.length > 0 && table(t("message"), [t("place"), t("message")], places.map((note) => [note.place, serviceSaid(note.detail)])),
    mend(MENDED_BY[report.code], onMend));
}

function part(name, count, notes = [], codes = {}, onMend = null, more = null) {
  return h("section", { class: "card stack" }, heading(3, `${t(`${name}_head`)} (${number(count)})`),
    h("p", { class: "soft" }, t(`${name}_text`)), more, byCode(codes, onMend),
    notes.length > 0 && [h("p", { class: "small soft" }, t("first_of", { n: number(notes.length), total: number(count) })),
      table(t(`${name}_head`), [[t("row"), "number"], t("column"), t("code"), t("message")], notes.map((note) => [
        number(note.row), note.column ?? h("span", { class: "soft" }, t("whole_row")), h("code", {}, note.code), messageOf(note)]))]);
}

/** What is wrong: in the reader's language where there is a word for it, and as the service says it, which names the value. */
function messageOf({ code, message }) {
  const word = language === "en" ? null : codeWord(code);
  if (word === null) return serviceSaid(message);
  return h("span", { class: "names" }, word, h("span", { class: "small soft" }, serviceSaid(message)));
}

function byCode(codes = {}, onMend = null) {
  const entries = Object.entries(codes).sort((a, b) => b[1] - a[1]);
  if (entries.length === 0) return null;
  return h("ul", { class: "list codes" }, entries.map(([code, count]) => h("li", {},
    h("span", { class: "code-count" }, number(count)),
    h("span", { class: "code-text" }, codeWord(code), " ", h("code", { class: "soft" }, code)),
    MENDED_BY[code] && onMend && mend(MENDED_BY[code], onMend))));
}

function mend(name, onMend) {
  const text = name === "datum" ? t("choose_datum") : t("try_other");
  return h("button", { type: "button", onclick: () => onMend(name ?? "mode") }, text);
}

function downloads(record) {
  const path = `/v1/imports/${step(record.import_id)}/errors`;
  return h("div", { class: "row" },
    h("a", { class: "button", href: `${path}.csv`, download: true }, t("as_csv")),
    h("a", { class: "button", href: `${path}.xlsx`, download: true }, t("as_xlsx")));
}

function kept(samples) {
  return h("section", { class: "card stack" }, h("p", {}, t("kept_stores")),
    h("ul", { class: "small" }, samples.map((one) => h("li", {}, [one.store_id, one.sku].filter((id) => id !== null).join(" · ")))));
}
