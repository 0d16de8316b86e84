// Pieces that several pages show.

import { common as t, words } from "./common_words.js";
import { h, svg } from "./dom.js";
import { duration } from "./format.js";
import { knows, otherLanguage } from "./words.js";

const PARTS = ["prepare", "queue", "courier", "travel", "handover"];

/** The bar on top of a page: its name, whatever else, and the other language. */
export function topBar(title, ...others) {
  const other = otherLanguage();
  return h("header", { class: "topbar" },
    h("a", { class: "brand", href: "/" }, "lifecircle"),
    h("h1", {}, title),
    h("span", { class: "end row" }, others,
      h("button", { class: "language", type: "button", lang: other.code, onclick: other.choose }, other.name)));
}

/** The parts of a promise: a bar as long as the longest of `ofSeconds`, and the parts by name. */
export function promiseBar(eta, ofSeconds = eta.total_s) {
  const whole = Math.max(1, ofSeconds, eta.total_s);
  let from = 0;
  const pieces = PARTS.map((part) => {
    const seconds = eta[`${part}_s`];
    const piece = svg("rect", { class: `part-${part}`, x: from, y: 0, width: seconds, height: 10 });
    from += seconds;
    return piece;
  });
  const said = PARTS.map((part) => `${t(`part_${part}`)} ${duration(eta[`${part}_s`])}`).join(", ");
  return h("div", { class: "stack" },
    h("div", { class: "promise" },
      svg("svg", { viewBox: `0 0 ${whole} 10`, preserveAspectRatio: "none", role: "img", "aria-label": said }, pieces)),
    h("ul", { class: "parts" }, PARTS.map((part) => h("li", {},
      h("span", { class: `swatch part-${part}`, "aria-hidden": "true" }),
      h("span", {}, t(`part_${part}`)),
      h("span", { class: "end" }, duration(eta[`${part}_s`]))))));
}

/** The word for a status of an order. */
export function statusWord(status) {
  return knows(words, `status_${status}`) ? t(`status_${status}`) : status;
}

/** The word for a reason of a quote. */
export function reasonWord(reason) {
  return knows(words, `reason_${reason}`) ? t(`reason_${reason}`) : reason;
}

/** What went wrong, for people: what is said of it here, else what the service says, which is English. */
export function problemText(problem) {
  if (problem.code === "unreachable") return t("unreachable_now");
  if (problem.status === 401) return t("problem_token");
  if (problem.status === 429 || problem.status === 503) return t("problem_later");
  if (problem.status >= 500 || problem.code === "unknown") return t("problem_fault");
  const places = problem.errors?.map((error) => `${error.pointer} ${error.detail}`).join("; ");
  return t("problem_said", { text: places ? `${problem.message} (${places})` : problem.message });
}

/** A notice of what went wrong, read out by screen readers. */
export function problemNotice(problem, again = null) {
  return h("div", { class: "notice bad", role: "alert" }, h("p", {}, problemText(problem)),
    again && h("button", { type: "button", onclick: again }, t("try_again")));
}
