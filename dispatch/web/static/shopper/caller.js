// Who asks: a shopper with a token that soon ends, so that it is renewed while the page is open.

import { askAs, get, post } from "../lib/api.js";
import { nowMs } from "../lib/now.js";
import { keep, kept } from "./kept.js";

const TTL_S = 7_200;
const RENEW_AT = 0.6; // of the time it holds
const SOONEST_MS = 5_000;
const RETRY_MS = 30_000;
// Answers that say something of the token, and not of the way to the service.
const JUDGED = new Set([400, 401, 403, 422]);

let mine = null; // {token, order_id_prefix, expires_at}
let timer = null;

/**
 * Take the token of the address (#token=…, from an app or a shop), else the one this tab had, which is also kept when that of
 * the address is no good. Once it has been judged it is taken out of the address, for addresses are copied. Whether it is
 * of another shopper than the one this tab knew. Throws Problem: with status 401 when the token of the address is none.
 */
export async function takeToken() {
  const before = kept("token");
  // Whether it has ended the service knows best, for its clock is not known yet.
  if (before !== null) hold(before);
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return false;
  try {
    askAs(given);
    const caller = await get("/v1/caller");
    stripAddress();
    askAs(before?.token ?? null);
    if (caller.role !== "shopper") return false;
    hold({ token: given, order_id_prefix: caller.order_id_prefix, expires_at: caller.expires_at });
    return caller.order_id_prefix !== before?.order_id_prefix;
  } catch (problem) {
    askAs(before?.token ?? null);
    if (JUDGED.has(problem.status)) stripAddress();
    throw problem;
  }
}

function stripAddress() {
  history.replaceState(null, "", location.pathname + location.search);
}

/** Whether a token is sent with what is asked. */
export function hasToken() {
  return mine !== null;
}

/** How the ids of this shopper's orders begin. Asks for a token if there is none. Throws Problem. */
export async function orderIdPrefix() {
  if (mine === null || hasEnded(mine)) await renew();
  return mine.order_id_prefix;
}

/** The token is no good any more: nobody in particular asks from now on. */
export function dropToken() {
  clearTimeout(timer);
  mine = null;
  keep("token", null);
  askAs(null);
}

async function renew() {
  if (mine !== null && hasEnded(mine)) dropToken();
  hold(await post("/v1/shopper-tokens", { ttl_s: TTL_S }));
}

function hold(told) {
  mine = told;
  keep("token", told);
  askAs(told.token);
  renewIn((Date.parse(told.expires_at) - nowMs()) * RENEW_AT);
}

function renewIn(ms) {
  clearTimeout(timer);
  timer = setTimeout(() => renew().catch((problem) => {
    // One that has ended, or that the service no longer knows, is not renewed.
    if (problem.status === 401 || problem.status === 403) dropToken();
    else renewIn(RETRY_MS);
  }), Math.max(SOONEST_MS, ms));
}

function hasEnded(token) {
  return Date.parse(token.expires_at) <= nowMs();
}

// A device that slept has told the time to no timer.
document.addEventListener("visibilitychange", () => {
  if (mine !== null && hasEnded(mine)) dropToken();
});
