// Whether the store takes orders now, and taking them again after a pause.

import { get, post, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { opening } from "../lib/format.js";
import { nowMs } from "../lib/now.js";
import { t } from "./words.js";

const BUSY_MS = 15 * 60_000;
const ASK_EVERY_MS = 60_000;
// A network that is only half there may never answer.
const ASK_FOR_MS = 15_000;

/** A line that tells it: `element`, `read` (throws what `get` throws; the store is given back), `heard(events)`; and its clock. */
export function storeState(storeId, onProblem) {
  const element = h("span", { class: "row store-state" });
  const keptAs = `lifecircle.store.pause.${storeId}`;
  let store = null;

  async function read() {
    store = await get(`/v1/stores/${step(storeId)}`, {}, { signal: AbortSignal.timeout(ASK_FOR_MS) });
    draw();
    return store;
  }

  // Only what was declined tells of a pause; the service says no more than whether the store is open.
  function heard(events) {
    const own = events.filter((event) => event.event === "declined" && event.store_id === storeId);
    if (own.some((event) => event.detail?.reason === "too_busy")) {
      keep(Math.max(...own.map((event) => Date.parse(event.at))) + BUSY_MS);
    }
    if (own.length > 0) read().catch(() => {});
  }

  async function resume() {
    try {
      await post(`/v1/stores/${step(storeId)}/resume`, {});
      keep(0);
      await read();
    } catch (problem) {
      onProblem(problem);
    }
  }

  function draw() {
    if (store === null) return;
    const pausedUntil = kept();
    const isPaused = pausedUntil > nowMs();
    const isTaking = store.active && store.open_now && !isPaused;
    const word = !store.active ? t("out_of_service")
      : !store.open_now ? opening(store)
        : isPaused ? t("paused_until", { time: clock(pausedUntil) }) : `${t("taking_orders")} · ${opening(store)}`;
    const canResume = store.active && (isPaused || !store.open_now);
    fill(element, h("span", { class: `tag ${isTaking ? "" : "warn"}` }, word),
      canResume && h("button", { type: "button", class: "small", onclick: resume }, t("resume")));
  }

  function kept() {
    try {
      return Number(localStorage.getItem(keptAs) ?? 0);
    } catch {
      return 0;
    }
  }

  function keep(untilMs) {
    try {
      localStorage.setItem(keptAs, String(untilMs));
    } catch { /* then the pause ends unseen */ }
    draw();
  }

  /** The time of day where the store is. */
  function clock(moment) {
    return timeIn(moment, store?.timezone).slice(0, 5);
  }

  /** When its day began, RFC 3339. */
  function startOfDay() {
    const [hours, minutes, seconds] = timeIn(nowMs(), store?.timezone).split(":").map(Number);
    return new Date(nowMs() - ((hours * 60 + minutes) * 60 + seconds) * 1_000).toISOString();
  }

  setInterval(() => document.visibilityState === "visible" && read().catch(() => {}), ASK_EVERY_MS);
  return { element, read, heard, clock, startOfDay };
}

function timeIn(moment, timeZone) {
  const format = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  try {
    return new Date(moment).toLocaleTimeString("en-GB", { ...format, timeZone: timeZone ?? undefined });
  } catch {
    // A browser that does not know the zone.
    return new Date(moment).toLocaleTimeString("en-GB", format);
  }
}
