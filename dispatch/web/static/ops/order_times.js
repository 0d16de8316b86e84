// When an order is due, told in the time of its store.

import { clockAs, clockHere } from "../lib/format.js";
import { nowMs } from "../lib/now.js";
import { t } from "./order_words.js";
import { span } from "./pieces.js";

const OPEN = ["confirmed", "accepted", "ready", "picked_up"];

/** The time of day of a moment where the order's store is; where none is known, here. */
export function storeClock(moment, order) {
  return order.eta ? clockAs(moment, order.eta.deliver_by) : clockHere(moment);
}

/** The same with the date that it is there. */
export function storeDayAndClock(moment, order) {
  const at = new Date(moment);
  const told = /([+-])(\d\d):(\d\d)$/.exec(order.eta?.deliver_by ?? "");
  const ahead = told ? Number(`${told[1]}1`) * (Number(told[2]) * 60 + Number(told[3])) : -at.getTimezoneOffset();
  return `${new Date(at.getTime() + ahead * 60_000).toISOString().slice(0, 10)} ${storeClock(moment, order)}`;
}

/** Until when it is promised, and whether that has passed: `{text, isLate}`; null where nothing is under way. */
export function dueOf(order) {
  if (order.promised_by === null || !OPEN.includes(order.status)) return null;
  const minutes = Math.floor((Date.parse(order.promised_by) - nowMs()) / 60_000);
  if (minutes < 0) return { text: t("late", { age: span(-minutes) }), isLate: true };
  const time = storeClock(order.promised_by, order);
  return { text: minutes === 0 ? t("due_now", { time }) : t("due_in", { time, age: span(minutes) }), isLate: false };
}
