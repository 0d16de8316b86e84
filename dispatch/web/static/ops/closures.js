// When a store is closed besides its hours, and having it take orders again.

import { get, post, send, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { dayAndClock } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { knows } from "../lib/words.js";
import { confirmed, field, heading } from "./pieces.js";
import { t, words } from "./stock_words.js";
import { momentIn } from "./zones.js";

/** The part of a store about its pauses and closures, as an element. */
export function closuresPart(store) {
  const path = `/v1/stores/${step(store.store_id)}`;
  const list = h("ul", { class: "list closures" });
  const notice = h("div", { role: "status" });
  const from = field(t("from"), h("input", { type: "datetime-local" }));
  const to = field(t("to"), h("input", { type: "datetime-local" }));
  const reason = field(t("reason"), h("input", { maxlength: "500" }));

  async function load() {
    try {
      const { closures } = await get(`${path}/closures`);
      fill(list, closures.length === 0 ? h("li", { class: "soft" }, t("no_closures")) : closures.map(entry));
    } catch (problem) {
      fill(list, h("li", {}, problemNotice(problem, load)));
    }
  }

  async function write(work, text) {
    try {
      await work();
      fill(notice, h("p", { class: "notice good-notice" }, text));
      await load();
      return true;
    } catch (problem) {
      fill(notice, knows(words, `conflict_${problem.code}`) ? h("p", { class: "notice", role: "alert" }, t(`conflict_${problem.code}`))
        : problemNotice(problem));
      return false;
    }
  }

  async function add() {
    for (const one of [from, to]) one.tell(one.control.value === "" ? t("bad_time") : null);
    if (from.control.value !== "" && to.control.value !== "" && to.control.value <= from.control.value) to.tell(t("bad_span"));
    const wrong = [from, to].find((one) => one.control.hasAttribute("aria-invalid"));
    if (wrong) return wrong.control.focus();
    const closure = {
      from: momentIn(store.timezone, from.control.value), to: momentIn(store.timezone, to.control.value),
      reason: reason.control.value.trim() || null,
    };
    if (await write(() => post(`${path}/closures`, closure), t("closure_added"))) {
      for (const one of [from, to, reason]) one.control.value = "";
    }
    return undefined;
  }

  function entry(closure) {
    const span = { from: dayAndClock(closure.from), to: dayAndClock(closure.to) };
    const takeBack = async () => {
      if (!(await confirmed({ title: t("take_back_title"), text: t("take_back_text", span), yes: t("take_back") }))) return;
      await write(() => send("DELETE", `${path}/closures/${step(closure.closure_id)}`), t("taken_back"));
    };
    return h("li", { class: "row" }, h("span", { class: "number" }, t("closed_from_to", span)),
      closure.reason && h("span", { class: "soft" }, closure.reason),
      h("button", { class: "end", type: "button", "aria-label": t("take_back_of", span), onclick: takeBack }, t("take_back")));
  }

  load();
  return h("section", { class: "card stack" }, heading(3, t("pauses")), notice,
    h("div", { class: "row" }, h("p", { class: "soft grow" }, t("resume_text")),
      h("button", { type: "button", onclick: () => write(() => post(`${path}/resume`, {}), t("resumed")) }, t("resume"))),
    heading(3, t("closures")), h("p", { class: "soft small" }, t("closures_text", { zone: store.timezone })), list,
    h("form", { class: "stack", novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      add();
    } }, h("div", { class: "fields" }, from.element, to.element, reason.element),
    h("div", { class: "row" }, h("button", { type: "submit" }, t("add_closure")))));
}
