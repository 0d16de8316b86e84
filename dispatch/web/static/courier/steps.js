// What the courier can say now, each asked once more before it is said.

import { openDialog } from "../lib/dialog.js";
import { fill, h } from "../lib/dom.js";
import { callButton, linesSaid } from "./people.js";
import { t } from "./words.js";

/** The bar at the thumb for a status: buttons, or why there is none. `say(action)` says it. */
export function stepsBar(note, status, say) {
  if (["confirmed", "accepted"].includes(status)) return h("p", { class: "soft" }, t("is_prepared"));
  const button = (word, kind, ask) => h("button", { type: "button", class: kind, "data-step": word, onclick: ask }, t(word));
  if (status === "ready") {
    const compare = h("p", {}, t("text_picked_up", { lines: linesSaid(note.lines) }));
    return button("picked_up", "primary big wide", () => confirm("picked_up", compare, () => say("pick-up")));
  }
  if (status !== "picked_up") return null;
  const name = note.customer?.name;
  const handed = h("p", {}, name ? t("text_delivered", { name }) : t("text_delivered_unnamed"));
  return [
    button("delivered", "primary big wide", () => confirm("delivered", handed, () => say("deliver"))),
    button("failed", "plain bad", () => askFailed(note, () => say("fail"))),
  ];
}

// The answer that does something is not where the finger is after the first tap: "not yet" is.
function confirm(word, text, onYes, danger = false) {
  const yes = () => {
    dialog.close();
    onYes();
  };
  const no = t(danger ? "no_failed" : "no");
  const dialog = openDialog(t(`ask_${word}`), h("div", { class: "stack" }, text,
    h("button", { type: "button", class: `big wide ${danger ? "danger" : "primary"}`, onclick: yes }, t(`yes_${word}`)),
    h("button", { type: "button", class: "big wide", autofocus: true, onclick: () => dialog.close() }, no)), { kind: "sheet" });
  return dialog;
}

/** That it could not be delivered is asked twice, and a call is offered first. */
function askFailed(note, onYes) {
  const { customer, store } = note;
  const first = h("div", { class: "stack" }, h("p", {}, t("text_failed")), customer?.phone && callButton(customer.phone, "call"));
  confirm("failed", first, () => {
    confirm("failed_again", h("p", {}, t("text_failed_again", { store: store?.name ?? t("store") })), onYes, true);
  }, true);
}

/** Put the bar's content in its place; it is not there at all when there is nothing to say. */
export function fillSteps(bar, content) {
  fill(bar, content);
  bar.hidden = content === null;
}
