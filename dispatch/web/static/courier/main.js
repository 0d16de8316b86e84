// The courier's page, behind the link of one order: where to now, whom it is for, and what has been done.

import { askAs, get, step } from "../lib/api.js";
import { showDelivery } from "../lib/delivery_map.js";
import { announcer, fill, h, show } from "../lib/dom.js";
import { distance, duration } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { problemNotice, problemText, statusWord, topBar } from "../lib/parts.js";
import { knows } from "../lib/words.js";
import { Again, onHope } from "../lib/again.js";
import { Outbox } from "./outbox.js";
import { customerPart, goodsPart } from "./people.js";
import { fillSteps, stepsBar } from "./steps.js";
import { whereTo } from "./where.js";
import { t, words } from "./words.js";

const FINAL = new Set(["link_left", "token_expired", "unknown_token", "not_for_this_token"]);
const ENDINGS = new Set(["delivered", "failed", "returned"]);
const UNDER_WAY = new Set(["confirmed", "accepted", "ready", "picked_up"]);
const READ_AGAIN_MS = 1_000;

const say = announcer();
const trouble = h("div", { class: "trouble", role: "status" });
const state = h("p", { class: "state" });
const body = h("div", { class: "stack" }, h("p", { class: "soft" }, t("loading")));
const beginning = new Again(begin);
const drawingAgain = new Again(draw);
const way = h("section", { class: "card way", "aria-label": t("map") });
const steps = h("div", { class: "steps", hidden: true });
const wayText = h("div", {});
let map = null;
let caller = null;
let note = null;
let outbox = null;
let where = null;
let shown = null;
let isOffline = false;
let refusal = null;
let stop = null;
let drawing = null;
let unread = null;
let asks = 0;
let hasEnded = false;

document.body.append(topBar(t("title"), state), h("main", { class: "stack" }, trouble, body), steps);

async function begin() {
  askAs(decodeURIComponent(location.pathname.split("/")[2] ?? ""));
  try {
    caller = await get("/v1/caller");
    // Whoever else may ask the service has no order of their own to bring.
    if (caller.order_id === null) return end("unknown_token");
    note = await readNote();
  } catch (problem) {
    return failed(problem);
  }
  if (stop !== null || hasEnded) return;
  outbox = new Outbox(caller.order_id, caller.attempt, { onChange: draw, onSent, onRefused, onTrouble });
  draw();
  stop = follow({ order_id: caller.order_id }, { onState, onEvents: read });
  setInterval(() => where?.refresh(), READ_AGAIN_MS);
}

function readNote() {
  return get(`/v1/orders/${step(caller.order_id)}/delivery-note`);
}

/** Read it anew. What cannot be read just now stays as it is; a link that has ended ends the page. */
async function read() {
  const ask = (asks += 1);
  try {
    const told = await readNote();
    // An answer that comes late says what was, not what is.
    if (ask === asks) note = told;
  } catch (problem) {
    if (FINAL.has(problem.code)) return end(problem.code);
  }
  return draw();
}

function onSent(order) {
  if (order !== null) note = { ...note, status: order.status };
  return read();
}

function onState(word) {
  isOffline = word !== "live";
  read();
}

function onRefused(problem) {
  if (FINAL.has(problem.code)) end(problem.code);
  else refusal = problem;
}

/** A link that has ended says so to what is sent, too; that is kept, should the store show a new code. */
function onTrouble(problem) {
  if (FINAL.has(problem.code)) end(problem.code);
}

/** Nothing could be read yet: it is tried again by itself, and what is said already stays, with the focus in it. */
function failed(problem) {
  if (stop !== null || hasEnded) return;
  if (FINAL.has(problem.code)) return end(problem.code);
  const text = problemText(problem);
  if (unread !== text) fill(body, problemNotice(problem, () => beginning.now()), h("p", { class: "soft" }, t("tries_again")));
  unread = text;
  beginning.later();
}

// ── what is shown ──────────────────────────────────────────────────────────────────────────────────────────────────

function draw() {
  if (outbox === null) return;
  const status = outbox.statusAfter(note.status);
  state.textContent = statusWord(status);
  drawTrouble();
  if (UNDER_WAY.has(status)) drawing ??= drawMap();
  const shows = JSON.stringify([note, status]);
  if (shown === shows) return;
  const isOtherStatus = shown !== null && JSON.parse(shown)[1] !== status;
  shown = shows;
  if (UNDER_WAY.has(status)) drawWay(status);
  else drawDone(status);
  if (isOtherStatus) {
    say(statusWord(status));
    (where?.heading ?? body.querySelector("h2"))?.focus();
  }
}

function drawTrouble() {
  const texts = [[outbox.isStuck, "not_sent"], [!outbox.isEmpty, "sending"], [refusal !== null, "moved_on"], [isOffline, "offline"]];
  const word = texts.find(([isSo]) => isSo)?.[1];
  fill(trouble, word && h("p", { class: "notice" }, t(word)));
}

function drawWay(status) {
  where = whereTo(note, status);
  const route = note.route?.properties;
  fill(wayText, route && h("p", { class: "soft small" }, t("way", { distance: distance(route.length_m), time: duration(route.travel_s) })));
  fill(body, where.element, way, status === "picked_up" ? null : customerPart(note.customer), goodsPart(note));
  fillSteps(steps, stepsBar(note, status, (action) => {
    refusal = null;
    outbox.put(action);
  }));
}

/** Draw the map, each time in a place of its own: one that has failed may have left half of one behind. */
async function drawMap() {
  const place = h("div", { class: "way-map" });
  fill(way, place, wayText);
  show(way, true);
  try {
    const storeLabel = note.store?.name ?? t("store");
    const drawn = await showDelivery(place, note, { label: t("map"), storeLabel, doorLabel: t("door") });
    if (place.parentNode === way) map = drawn;
    else drawn.map.remove();
  } catch {
    // Addresses and links lead there without a map; it is tried again.
    show(way, false);
    drawing = null;
    drawingAgain.later();
  }
}

function closeMap() {
  map?.map.remove();
  map = drawing = null;
  fill(way);
}

/** Nothing of the customer stays when there is nothing more to bring. */
function drawDone(status) {
  if (!ENDINGS.has(status)) return end("link_left");
  closeMap();
  where = status === "failed" ? whereTo(note, status) : null;
  fill(body, ending(`done_${status}`, status === "delivered" ? "good" : ""), where?.element);
  return fillSteps(steps, null);
}

function ending(word, kind = "") {
  return h("section", { class: `card stack ending ${kind}` }, h("h2", { tabindex: "-1" }, t(word)), h("p", {}, t(`text_${word}`)));
}

/** The link is no longer good, or never was; nothing of the order is shown any more. */
function end(code) {
  hasEnded = true;
  stop?.();
  outbox?.stop();
  closeMap();
  const word = knows(words, code) ? code : "unknown_token";
  outbox = where = null;
  state.textContent = "";
  fill(trouble);
  fill(body, ending(word));
  fillSteps(steps, null);
  say(t(word));
}

onHope(() => stop === null && !hasEnded && beginning.now());
beginning.now();
