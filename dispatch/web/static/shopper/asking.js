// "Who can bring me this?": the question, and whatever the answer is.

import { post } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { problemNotice } from "../lib/parts.js";
import { namesAround } from "./names.js";
import { noStoreView } from "./no_store.js";
import { orderForm } from "./order_form.js";
import { USUAL_PROMISE_MIN, on, question, setTerms, state, storeId } from "./state.js";
import { winnerView } from "./winner.js";
import { t } from "./words.js";

const ALTERNATIVES = 2;

/**
 * `{question, answer}`: the button, and the part below it. `onOrdered(order, placed)` once it is placed;
 * `onAnswer(isShown)` when there is an answer to look at, and when there is none any more.
 */
export function askingPart(say, { onOrdered, onAnswer }) {
  const button = h("button", { type: "button", class: "primary wide ask", disabled: true, onclick: () => ask() }, t("ask"));
  const hereOnly = storeId === null ? null : h("input", { type: "checkbox", checked: state.onlyHere, onchange: () => setTerms({ onlyHere: hereOnly.checked }) });
  const title = h("h2", { id: "answer-title", tabindex: "-1" });
  const body = h("div", { class: "stack" });
  const answer = h("section", { class: "part answer", "aria-labelledby": "answer-title", hidden: true }, title, body);
  let asking = null;
  let way = null;

  /** What was answered is no answer to what is now chosen. */
  function forget() {
    asking?.abort();
    way?.clear();
    show(answer, false);
    onAnswer(false);
    ready();
  }

  function ready() {
    button.disabled = state.door === null || state.basket.size === 0;
    button.removeAttribute("aria-busy");
  }

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    const asked = question();
    try {
      const [quote, names] = await Promise.all([
        post("/v1/quotes", { ...asked, explain: true, alternatives: ALTERNATIVES }, { signal }), namesAround(signal),
      ]);
      if (signal.aborted) return;
      if (quote.outcome === "fulfillable") showWinner(quote, names, asked);
      else showNone(quote, names);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      present(t("went_wrong"), problemNotice(problem, ask));
    }
    ready();
  }

  function showWinner(quote, names, asked) {
    const look = (store) => way?.show(store, asked.destination);
    const form = orderForm(asked, quote, {
      onOrdered,
      onRefused: (refusal) => namesAround().then((known) => showNone(refusal, known)),
      onOutdated: () => ask(),
    });
    present(t("winner_title"), winnerView(quote, names, look), form);
    look(quote.store);
  }

  function showNone(quote, names) {
    way?.clear();
    present(t("none_title"), noStoreView(quote, names, ask));
  }

  function present(text, ...parts) {
    fill(title, text);
    fill(body, parts);
    show(answer, true);
    onAnswer(true);
    title.focus({ preventScroll: true });
    answer.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    say(text);
  }

  on("door basket", () => {
    if (state.promiseMinutes !== USUAL_PROMISE_MIN) setTerms({ promiseMinutes: USUAL_PROMISE_MIN });
    forget();
  });
  on("terms", () => {
    if (hereOnly !== null) hereOnly.checked = state.onlyHere;
    forget();
  });
  return {
    question: h("div", { class: "stack tight" },
      hereOnly === null ? null : h("label", { class: "row toggle" }, hereOnly, t("only_here")), button),
    answer,
    connect(opened) {
      way = opened;
      ready();
    },
    forget,
  };
}
