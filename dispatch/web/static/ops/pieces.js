// Pieces that several views of the console are made of.

import { common } from "../lib/common_words.js";
import { h } from "../lib/dom.js";
import { nowMs } from "../lib/now.js";
import { language } from "../lib/words.js";
import { t } from "./words.js";

let count = 0;

/** An id that no other element has. */
export function newId(name) {
  count += 1;
  return `${name}-${count}`;
}

/** Close a dialog when somebody goes elsewhere: what it asks or tells is of the place where it was opened. */
export function closeByLeaving(dialog) {
  const close = () => dialog.close();
  window.addEventListener("hashchange", close);
  dialog.addEventListener("close", () => window.removeEventListener("hashchange", close));
}

/**
 * Ask before something is done. True if it is meant; Escape, `no` and going elsewhere mean no. `children` are fields in between, and while
 * `isWhole()` is false the dialog stays.
 */
export function confirmed({ title, text, yes, no = t("cancel"), look = "primary", children = [], isWhole = () => true }) {
  return new Promise((resolve) => {
    const id = newId("dialog");
    const dialog = h("dialog", { "aria-labelledby": id },
      h("form", { class: "stack", method: "dialog", novalidate: true, onsubmit: (event) => {
        if (event.submitter?.value === "yes" && !isWhole()) event.preventDefault();
      } },
      h("h2", { id }, title), text && h("p", {}, text), children,
      h("div", { class: "row buttons" }, h("button", { value: "no", type: "button", onclick: () => dialog.close("no") }, no),
        h("button", { class: look, value: "yes" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    closeByLeaving(dialog);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A heading of a view or a part of it that can be sent the focus. */
export function heading(level, text, properties = {}) {
  return h(`h${level}`, { tabindex: "-1", ...properties }, text);
}

/**
 * A control with its label, a hint, and a place where what is wrong with it is told: `{element, control, tell}`.
 * `tell(text)` shows it, `tell(null)` takes it away.
 */
export function field(label, control, hint = null) {
  const id = newId("field");
  const wrong = h("span", { class: "bad small", id: `${id}-wrong`, hidden: true });
  const said = hint === null ? null : h("span", { class: "hint small", id: `${id}-hint` }, hint);
  control.setAttribute("id", id);
  if (said) control.setAttribute("aria-describedby", `${id}-hint`);
  const element = h("div", { class: "field" }, h("label", { for: id }, label), control, wrong, said);
  return {
    element,
    control,
    tell(text) {
      wrong.hidden = text === null;
      wrong.textContent = text ?? "";
      if (text === null) control.removeAttribute("aria-invalid");
      else control.setAttribute("aria-invalid", "true");
      const described = [text === null ? null : `${id}-wrong`, said && `${id}-hint`].filter(Boolean).join(" ");
      if (described) control.setAttribute("aria-describedby", described);
      else control.removeAttribute("aria-describedby");
    },
  };
}

/** A control for text that is an id or a code: nothing is completed or corrected in it. */
export function codeInput(properties = {}) {
  return h("input", { maxlength: "64", autocomplete: "off", spellcheck: "false", ...properties });
}

/** Choices of a select: pairs of value and text. */
export function choices(pairs, chosen = "") {
  return pairs.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
}

/** How long ago a moment was, as people say it. */
export function ago(moment) {
  const minutes = Math.max(0, Math.floor((nowMs() - Date.parse(moment)) / 60_000));
  if (minutes < 1) return t("just_now");
  return t("ago", { age: span(minutes) });
}

/** Minutes in the largest unit that says enough. */
export function span(minutes) {
  if (minutes < 60) return common("minutes", { n: minutes });
  if (minutes < 48 * 60) return t("whole_hours", { n: Math.floor(minutes / 60) });
  return t("days", { n: Math.floor(minutes / 1440) });
}

/** A moment for people: how long ago, and exactly when to whoever looks closer. */
export function when(moment) {
  return h("time", { datetime: moment, title: new Date(moment).toLocaleString() }, ago(moment));
}

/** What the service itself says, which is English: marked as such where the page is not. */
export function serviceSaid(text) {
  return language === "en" ? text : h("span", {}, t("service_said"), h("span", { lang: "en" }, text));
}

/** A table whose wide rows scroll by themselves; `columns` are [text, class] or texts, rows are lists of cells. */
export function table(caption, columns, rows) {
  const named = columns.map((column) => (Array.isArray(column) ? column : [column, null]));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("thead", {}, h("tr", {}, named.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, i) => h("td", { class: named[i][1] }, cell)))))));
}
