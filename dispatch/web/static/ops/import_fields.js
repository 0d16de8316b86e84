// The parameters of an import as fields: which of them a kind of file has, what they send, and what is wrong with them.

import { get } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { t } from "./import_words.js";
import { choices, codeInput, field } from "./pieces.js";

const MODES = { stores: ["merge", "replace"], items: ["merge", "replace"], stock: ["partial", "snapshot"] };
const CURRENCIES = ["CNY", "TWD", "HKD", "JPY", "KRW", "SGD", "THB", "VND", "USD", "EUR", "GBP"];
// Which fields mean something for which kind; those that are not here do for all.
const ONLY_OF = { datum: ["stores"], country: ["stores"], id_from: ["stores"], as_of: ["stock"], currency: ["stock"] };
const SELDOM = ["timezone", "country", "encoding", "sheet", "id_from", "map", "force"];

/** The fields: `{element, setKind, read, tell, clear, lead}`. */
export function fieldsOf() {
  const partners = h("datalist", { id: "partners" });
  const partner = codeInput({ value: "default", list: "partners" });
  partner.addEventListener("focus", () => suggest(partners), { once: true });
  const mode = h("select", {});
  const datum = h("select", {}, choices(["", "wgs84", "gcj02", "bd09"].map((one) => [one, t(`datum_${one || "none"}`)])));
  const moment = h("input", { type: "datetime-local" });
  const momentField = field(t("as_of_moment"), moment);
  const asOf = h("select", { onchange: () => show(momentField.element, asOf.value === "time") },
    choices([["", t("as_of_column")], ["now", t("as_of_now")], ["time", t("as_of_time")]]));
  show(momentField.element, false);
  const currency = codeInput({ maxlength: "3", list: "currencies", autocapitalize: "characters" });
  const force = h("input", { type: "checkbox" });

  const fields = {
    partner: field(t("partner"), partner, t("partner_hint")),
    mode: field(t("mode"), mode),
    datum: field(t("datum"), datum, t("datum_hint")),
    as_of: field(t("as_of"), asOf, t("as_of_hint")),
    currency: field(t("currency"), currency, t("currency_hint")),
    timezone: field(t("timezone"), codeInput({ maxlength: "500" }), t("timezone_hint")),
    country: field(t("country"), codeInput({ maxlength: "500" }), t("country_hint")),
    encoding: field(t("encoding"), codeInput({ maxlength: "500" }), t("encoding_hint")),
    sheet: field(t("sheet"), codeInput({ maxlength: "500" }), t("sheet_hint")),
    id_from: field(t("id_from"), codeInput({ maxlength: "500" }), t("id_from_hint")),
    map: field(t("column_map"), h("textarea", { rows: "2", spellcheck: "false" }), t("column_map_hint")),
    force: field(t("force"), force, t("force_hint")),
  };
  fields.force.element.classList.add("checked-field");
  for (const name of ["mode", "datum", "as_of"]) fields[name].element.classList.add("across");
  const seldom = h("details", {}, h("summary", {}, t("more_options")),
    h("div", { class: "fields" }, SELDOM.map((name) => fields[name].element)));
  const element = h("div", { class: "stack" },
    h("div", { class: "fields" }, ["mode", "datum", "as_of"].map((name) => fields[name].element), momentField.element,
      ["partner", "currency"].map((name) => fields[name].element)),
    seldom, partners, h("datalist", { id: "currencies" }, CURRENCIES.map((value) => h("option", { value }))));
  const isFor = (name, kind) => ONLY_OF[name]?.includes(kind) ?? true;

  function fail(name, detail) {
    fields[name].tell(detail);
    if (SELDOM.includes(name)) seldom.open = true;
    fields[name].control.focus();
    return null;
  }

  return {
    element,
    setKind(kind) {
      for (const [name, one] of Object.entries(fields)) show(one.element, isFor(name, kind));
      show(momentField.element, kind === "stock" && asOf.value === "time");
      fill(mode, choices(MODES[kind].map((one) => [one, t(`mode_${one}`)]), MODES[kind][0]));
    },
    /** The parameters, or null when one of them cannot be sent; it has the focus then. */
    read(kind) {
      const query = { partner: partner.value.trim() || "default", mode: mode.value };
      for (const name of SELDOM) {
        const value = fields[name].control.value.trim();
        if (isFor(name, kind)) query[name] = name === "map" ? value.split("\n").map((line) => line.trim()) : value;
      }
      query.force = force.checked ? "true" : null;
      if (kind === "stores") query.datum = datum.value;
      if (kind === "stock") {
        query.as_of = asOf.value === "time" ? moment.value : asOf.value;
        query.currency = currency.value.trim().toUpperCase();
        if (query.currency !== "" && !/^[A-Z]{3}$/.test(query.currency)) return fail("currency", t("currency_bad"));
        if (asOf.value === "time" && moment.value === "") return fail("as_of", t("time_missing"));
      }
      return query;
    },
    /** Show a problem at the fields that it names. What it is beside that is given back; null: nothing. */
    tell(problem) {
      const here = problem.errors.map((error) => [/^\/query\/([a-z_]+)/.exec(error.pointer)?.[1], error.detail])
        .filter(([name]) => name in fields);
      for (const [name, detail] of here.reverse()) fail(name, problem.code === "as_of_required" ? t("as_of_required") : detail);
      return here.length > 0 && here.length === problem.errors.length ? null : problem;
    },
    clear() {
      for (const one of Object.values(fields)) one.tell(null);
    },
    /** Put the focus on a field; whether there is one. */
    lead(name) {
      if (!(name in fields) || fields[name].element.hidden) return false;
      if (SELDOM.includes(name)) seldom.open = true;
      fields[name].control.focus();
      return true;
    },
  };
}

async function suggest(list) {
  try {
    const { uploads } = await get("/v1/uploads", { limit: 500 });
    fill(list, uploads.map((one) => h("option", { value: one.partner })));
  } catch { /* suggestions are no matter of life and death */ }
}
