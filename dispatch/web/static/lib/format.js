// Figures as people read them.

import { common as t } from "./common_words.js";
import { nowMs } from "./now.js";
import { language } from "./words.js";

const DAY_MS = 86_400_000;

const LOCALE = language === "zh" ? "zh-CN" : "en-GB";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count. */
export function number(value) {
  return whole.format(value);
}

/** Metres: "412 m", "1.2 km". */
export function distance(metres) {
  if (metres < 995) return t("metres", { n: whole.format(Math.round(metres / (metres < 100 ? 1 : 10)) * (metres < 100 ? 1 : 10)) });
  return t("kilometres", { n: metres < 9950 ? oneDigit.format(metres / 1000) : whole.format(metres / 1000) });
}

/** Seconds as a promise is told: whole minutes, rounded up; below two minutes in seconds. */
export function duration(seconds) {
  if (seconds < 120) return t("seconds", { n: whole.format(Math.ceil(seconds)) });
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return t("minutes", { n: whole.format(minutes) });
  return t("hours", { h: whole.format(Math.floor(minutes / 60)), n: whole.format(minutes % 60) });
}

/** What is left, for clocks that run down: "4:05". */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** The time of day that an RFC 3339 moment has where it was told: its own offset's, not the reader's. */
export function clock(moment) {
  return moment.slice(11, 16);
}

/** The same with the date, for moments that may be of another day. */
export function dayAndClock(moment) {
  return `${moment.slice(0, 10)} ${moment.slice(11, 16)}`;
}

/** The time of day of a moment at the offset of another one: what an order says in UTC, as its store tells time. */
export function clockAs(moment, other) {
  return whereTold(Date.parse(moment), other).slice(11, 16);
}

/** A moment in milliseconds, written at the offset of another one. */
function whereTold(ms, other) {
  const offset = /([+-])(\d\d):(\d\d)$/.exec(other);
  const minutes = offset ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3])) : 0;
  return new Date(ms + minutes * 60_000).toISOString();
}

/** The same by the reader's own clock. */
export function clockHere(moment) {
  const at = new Date(moment);
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
}

/** A price in minor units of a currency; "" of none. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || !currency) return "";
  const format = new Intl.NumberFormat(LOCALE, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** Whether a store is open, and until or from when; of a store as nearby tells it. */
export function opening(store) {
  if (!store.hours_known) return t("hours_unknown");
  if (store.open_now) return store.closes_at ? t("open_until", { time: clock(store.closes_at) }) : t("open_round_the_clock");
  return store.opens_at ? t("opens_at", { time: dayOf(store.opens_at) }) : t("closed");
}

/** The time of day of a moment to come, with its day if that is not today. */
function dayOf(moment) {
  const today = (days) => whereTold(nowMs() + days * DAY_MS, moment).slice(0, 10);
  if (moment.startsWith(today(0))) return clock(moment);
  return moment.startsWith(today(1)) ? t("tomorrow", { time: clock(moment) }) : dayAndClock(moment);
}
