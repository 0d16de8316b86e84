// How much time is left of a promise, and how late one is.

import { h } from "./dom.js";
import { countdown, duration } from "./format.js";
import { nowMs } from "./now.js";
import { translator } from "./words.js";

const t = translator({
  en: { left: "{time} left", late: "{time} late", now: "now" },
  zh: { left: "还剩 {time}", late: "已超时 {time}", now: "马上到点" },
});
const MINUTE_S = 60;

/** Seconds until a moment; less than nothing once it has passed. */
export function secondsUntil(moment) {
  return (Date.parse(moment) - nowMs()) / 1000;
}

/** `{text, isLate, isSoon}` of a moment: "6 min left", "2 min late"; soon is within `soonS`. */
export function due(moment, soonS = 2 * MINUTE_S) {
  const left = secondsUntil(moment);
  if (left <= -1) return { text: t("late", { time: wholeMinutes(-left) }), isLate: true, isSoon: false };
  if (left < 1) return { text: t("now"), isLate: false, isSoon: true };
  return { text: t("left", { time: wholeMinutes(left) }), isLate: false, isSoon: left < soonS };
}

/** A tag that tells what is left of a moment, marked when it is soon or late; `refresh` tells it anew. */
export function dueTag(moment) {
  const element = h("span", { class: "tag due" });
  function refresh() {
    const { text, isLate, isSoon } = due(moment);
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("bad", isLate);
    element.classList.toggle("warn", isSoon);
  }
  refresh();
  return { element, refresh };
}

/** What is left as a clock that runs down: "4:05". */
export function clockUntil(moment) {
  return countdown(secondsUntil(moment));
}

function wholeMinutes(seconds) {
  return seconds < MINUTE_S ? duration(seconds) : duration(Math.max(2, Math.floor(seconds / MINUTE_S)) * MINUTE_S);
}
