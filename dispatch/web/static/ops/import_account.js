// What came of an import, and what can be done about it.

import { get, post, step } from "../lib/api.js";
import { announcer, fill, h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { nowMs } from "../lib/now.js";
import { knows } from "../lib/words.js";
import { codeWord } from "./import_code_words.js";
import { changesOf } from "./import_changes.js";
import { notesOf } from "./import_notes.js";
import { watched } from "./import_watch.js";
import { t, words } from "./import_words.js";
import { icon } from "./icons.js";
import { confirmed, heading, serviceSaid, when } from "./pieces.js";
import { linkTo } from "./places.js";

const UNDO_MS = 7 * 86_400_000;
const LARGE = ["created", "updated", "removed", "failed"];
const SMALL = ["rows", "unchanged", "ignored", "warnings"];
const announce = announcer();

/** The account of one import at a time: `{element, open, close}`. `onMend(field)` leads back to the form. */
export function importAccount({ onMend }) {
  const element = h("div", { class: "stack account" });
  let asking = null;
  let changes = null;
  let undoing = null;

  function close() {
    asking?.abort();
    changes?.remove();
    changes = null;
  }

  async function open(importId) {
    close();
    asking = new AbortController();
    const { signal } = asking;
    // What is wrong meanwhile, wherever the account has come to.
    const trouble = h("div", { class: "stack" });
    fill(element, back(), heading(2, "…"), trouble);
    try {
      const told = await watched(importId, {
        signal,
        onTold: (record) => {
          fill(trouble);
          tellProgress(record, trouble);
        },
        // Said once, however often it is asked again.
        onProblem: (problem) => trouble.childElementCount === 0 && fill(trouble, problemNotice(problem)),
      });
      if (!signal.aborted) tellEnd(told);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      fill(element, back(), heading(2, t("all_imports")), conflict(problem) ?? problemNotice(problem, () => open(importId)));
    }
  }

  function tellProgress(record, trouble) {
    const what = undoing === record.import_id ? "undo" : record.dry_run ? "check" : "apply";
    const text = t(`running_${what}`, { rows: number(record.rows) });
    const bar = element.querySelector("progress");
    if (bar) {
      bar.value = record.progress;
      element.querySelector(".far").textContent = text;
      return;
    }
    fill(element, back(), head(record), h("div", { class: "card stack" },
      h("p", { class: "far strong", role: "status" }, text),
      h("progress", { max: "1", value: record.progress, "aria-label": t("progress") }), trouble));
  }

  function tellEnd(record) {
    undoing = null;
    const notice = h("div", { class: "stack" });
    const state = stateOf(record);
    changes = record.kind === "items" || record.status === "undone" || isRefused(record) ? null : changesOf(record);
    fill(element, back(), head(record),
      h("div", { class: `card verdict stack is-${state.look}` },
        h("div", { class: "row" }, h("div", { class: "verdict-text" }, h("p", { class: "verdict-head" }, state.head),
          state.hint && h("p", { class: "soft" }, state.hint)), h("div", { class: "row end" }, actionsOf(record, notice))),
        notice),
      isRefused(record) ? null : counts(record), changes?.element, notesOf(record, { onMend }));
    announce(state.head);
  }

  function actionsOf(record, notice) {
    const can = [];
    if (record.dry_run && record.status === "done") {
      const onclick = (event) => apply(record, notice, event.target);
      can.push(h("button", { class: "primary large", type: "button", onclick }, t("apply")));
    }
    if (canUndo(record)) can.push(h("button", { class: "danger", type: "button", onclick: () => undo(record, notice) }, t("undo")));
    if (record.applies !== null) can.push(h("a", { class: "small", href: linkTo("imports", record.applies) }, t("see_check")));
    return can;
  }

  async function apply(record, notice, button) {
    button.disabled = true;
    fill(notice);
    const { signal } = asking;
    try {
      const begun = await post(`/v1/imports/${step(record.import_id)}/apply`);
      // Whoever looks at something else by now is not led away from it.
      if (!signal.aborted) location.hash = linkTo("imports", begun.import_id);
    } catch (problem) {
      button.disabled = false;
      fill(notice, conflict(problem, record) ?? problemNotice(problem));
    }
  }

  async function undo(record, notice) {
    const text = t("undo_text", { name: record.filename ?? t("no_filename") });
    const { signal } = asking;
    if (!(await confirmed({ title: t("undo_title"), text, yes: t("undo") })) || signal.aborted) return;
    fill(notice);
    try {
      await post(`/v1/imports/${step(record.import_id)}/undo`);
      undoing = record.import_id;
      if (!signal.aborted) await open(record.import_id);
    } catch (problem) {
      fill(notice, conflict(problem, record) ?? problemNotice(problem));
    }
  }

  return { element, open, close };
}

/** A 409 in words that say what to do; null of anything else. */
export function conflict(problem, record = null) {
  if (!knows(words, `conflict_${problem.code}`)) return null;
  const more = h("div", { class: "row" });
  if (problem.code === "import_running") linkRunning(more, record?.partner);
  return h("div", { class: "notice", role: "alert" }, h("p", {}, t(`conflict_${problem.code}`)),
    problem.errors.length > 0 && h("ul", { class: "small" },
      problem.errors.slice(0, 10).map((error) => h("li", {}, serviceSaid(error.detail)))), more);
}

async function linkRunning(element, partner) {
  try {
    const { imports } = await get("/v1/imports", { status: "running", partner, limit: 1 });
    if (imports.length > 0) fill(element, h("a", { href: linkTo("imports", imports[0].import_id) }, t("open_running")));
  } catch { /* the notice says what to do without it, too */ }
}

function back() {
  return h("a", { class: "back", href: linkTo("imports") }, icon("back"), t("all_imports"));
}

function head(record) {
  const file = record.report.file ?? {};
  const read = [file.format, file.profile, file.encoding, file.sheet].filter(Boolean).join(", ");
  return h("div", { class: "account-head" },
    heading(2, record.filename ?? t("no_filename")),
    h("p", { class: "row small soft" }, h("span", {}, t(record.kind)),
      record.dry_run && h("span", { class: "tag warn" }, t("dry_run")),
      h("span", {}, record.partner), h("span", {}, t(`mode_${record.mode}`)), when(record.created_at),
      read && h("span", {}, `${t("file_is")} ${read}`)));
}

function isRefused(record) {
  return record.status === "failed" && record.created + record.updated + record.removed === 0;
}

function canUndo(record) {
  if (record.dry_run || record.ended_at === null || nowMs() - Date.parse(record.ended_at) > UNDO_MS) return false;
  return (record.status === "done" && record.kind !== "items") || (record.status === "failed" && !isRefused(record));
}

function stateOf(record) {
  const { report } = record;
  if (record.status === "undone") {
    const { restored = 0, kept = 0 } = report.undo ?? {};
    return { look: "quiet", head: t("undone_head"), hint: t("undone_counts", { restored: number(restored), kept: number(kept) }) };
  }
  if (record.status === "failed") {
    if (isRefused(record)) return { look: "bad", head: t("failed_head"), hint: codeWord(report.code) };
    return { look: "bad", head: t("failed_half"), hint: t("failed_half_hint") };
  }
  if (!record.dry_run) return { look: "good", head: t("applied"), hint: canUndo(record) ? t("applied_hint") : null };
  const changes = record.created + record.updated + record.removed;
  if (changes === 0) return { look: "quiet", head: t("checked_nothing"), hint: null };
  return { look: "good", head: t("checked"), hint: t("checked_hint") };
}

function counts(record) {
  const one = (name) => h("div", { class: `count count-${name}${record[name] === 0 ? " none" : ""}` },
    h("dt", {}, t(name)), h("dd", {}, number(record[name])));
  return h("div", { class: "counts", role: "group", "aria-label": t("counts") },
    h("dl", { class: "counts-large" }, LARGE.map(one)), h("dl", { class: "counts-small" }, SMALL.map(one)));
}
