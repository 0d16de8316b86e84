// The store's screen, for a phone behind the counter.

import { fill, h, show } from "../lib/dom.js";
import { common } from "../lib/common_words.js";
import { follow } from "../lib/live.js";
import { nowMs } from "../lib/now.js";
import { problemNotice, problemText, topBar } from "../lib/parts.js";
import { Again, onHope } from "../lib/again.js";
import { Bell } from "./bell.js";
import { Board } from "./board.js";
import { shortId } from "./card.js";
import { askHandOver } from "./courier_code.js";
import { askDecline } from "./decline.js";
import { noteView } from "./note.js";
import { StoreOrders } from "./orders.js";
import { calls, keepPackedOf, see } from "./seen.js";
import { storeState } from "./state.js";
import { t } from "./words.js";

const storeId = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const READ_AGAIN_MS = 2 * 60_000;
// A connection that is back at once is nothing to speak of.
const SAY_OLD_AFTER_MS = 4_000;
const NOW = { accept: "now_accepted", ready: "now_ready", "pick-up": "now_picked_up", return: "now_returned" };

const orders = new StoreOrders(storeId, { onChange, onLeft, onAsked });
const state = storeState(storeId, (problem) => board.notify(problemText(problem)));
const board = new Board(orders, { does, readDone: () => orders.readDone(state.startOfDay()), clock: state.clock });
const bell = new Bell(drawBell);
const note = noteView(storeId, board.say);
const beginning = new Again(begin);
const everything = new Again(readAll);
let title = storeId;
let dialog = null;
let goodSince = null;
let hasBegun = false;
let unread = null;
// What is done when there is hope again.
let wake = () => beginning.now();

// ── the frame ──────────────────────────────────────────────────────────────────────────────────────────────────────

const live = h("span", { class: "tag quiet live", role: "status" });
const bellButton = h("button", { type: "button", class: "bell", onclick: () => (bell.state === "on" ? bell.mute() : bell.start()) });
const startBar = h("section", { class: "card start-bar", hidden: true }, h("p", {}, t("start_text")), h("div", { class: "row" },
  h("button", { type: "button", class: "primary", onclick: () => bell.start() }, t("start")),
  h("button", { type: "button", class: "plain", onclick: () => bell.mute() }, t("start_quietly"))));
const ringing = h("div", { class: "ringing row", hidden: true }, h("span", { class: "strong" }),
  h("a", { class: "button", href: "#" }, t("see_new")),
  h("button", { type: "button", class: "end", onclick: () => look() }, t("stop_ringing")));
const old = h("p", { class: "notice", role: "status", hidden: true });
const boardView = h("div", { class: "stack" }, startBar, h("p", { class: "soft loading" }, t("loading")), board.element);
const main = h("main", {}, old, ringing, boardView, note.element);
const bar = topBar(title, bellButton);
document.body.append(bar, h("div", { class: "state-bar row" }, state.element, live), main);
show(board.element, false);
drawBell();

function drawBell() {
  const isOn = bell.state === "on";
  bellButton.textContent = t(isOn ? "sound_on" : "sound_off");
  bellButton.classList.toggle("is-on", isOn);
  show(startBar, bell.state === "asleep");
  if (orders.isRead) callPeople();
}

// ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function onChange() {
  if (!orders.isRead) return;
  show(boardView.querySelector(".loading"), false);
  show(board.element, true);
  board.draw();
  keepPackedOf([...orders.orders.values()].map(({ order }) => order));
  callPeople();
}

function callPeople() {
  const fresh = orders.of("confirmed");
  const calling = fresh.filter(calls);
  bell.ring(calling.length > 0);
  // Where the orders themselves are in sight, the line is only there to stop a sound.
  const isElsewhere = !note.element.hidden;
  show(ringing, calling.length > 0 && (isElsewhere || bell.state === "on"));
  const text = t("how_many_new", { n: calling.length });
  if (ringing.firstChild.textContent !== text) ringing.firstChild.textContent = text;
  show(ringing.querySelector("a"), isElsewhere);
  document.title = fresh.length === 0 ? title : t("new_title", { n: fresh.length, title });
}

/** Somebody has looked at the new orders, or at one of them. */
function look(entries = orders.of("confirmed")) {
  entries.forEach(see);
  callPeople();
}

function onLeft(order, why) {
  board.notify(t(why, { id: shortId(order.order_id) }));
  if (dialog?.orderId === order.order_id) dialog.close();
}

function onAsked(order, action) {
  const id = shortId(order.order_id);
  if (action === "decline") board.notify(t(order.status === "unfulfillable" ? "left_unfulfillable" : "left_declined", { id }));
  else board.say(t(NOW[action], { id }));
}

function does(entry) {
  const id = entry.order.order_id;
  return {
    act: (action) => orders.act(id, action),
    decline: () => open(id, askDecline(entry, (why) => orders.act(id, "decline", why))),
    handOver: () => open(id, askHandOver(entry, () => orders.act(id, "pick-up"))),
  };
}

function open(orderId, { close }) {
  dialog = { orderId, close };
}

board.element.addEventListener("pointerup", (event) => {
  const entry = orders.orders.get(event.target.closest("[data-order]")?.dataset.order);
  if (entry?.order.status === "confirmed") look([entry]);
});

// ── what is read, and when ─────────────────────────────────────────────────────────────────────────────────────────

async function readAll() {
  try {
    await Promise.all([orders.read(), note.refresh()]);
    everything.good();
    goodSince = null;
    drawOld();
  } catch (problem) {
    goodSince ??= nowMs();
    if (!orders.isRead) sayUnread(problem, everything);
    everything.later();
  }
}

/** Say why there is nothing yet. What is said already stays, with the focus that may be in it. */
function sayUnread(problem, again) {
  const text = problemText(problem);
  if (unread === text) return;
  unread = text;
  fill(boardView.querySelector(".loading"), problemNotice(problem, () => again.now()), h("p", {}, t("tries_again")));
}

async function begin() {
  let store;
  try {
    store = await state.read();
  } catch (problem) {
    if (hasBegun) return;
    if (problem.code === "store_not_found") return nothing();
    sayUnread(problem, beginning);
    return beginning.later();
  }
  if (hasBegun) return;
  hasBegun = true;
  unread = null;
  fill(boardView.querySelector(".loading"), t("loading"));
  wake = () => everything.now();
  title = store.name ?? storeId;
  bar.querySelector("h1").textContent = title;
  callPeople();
  everything.now();
  follow({ store_id: storeId }, { onState, onEvents });
  setInterval(() => document.visibilityState === "visible" && everything.now(), READ_AGAIN_MS);
  setInterval(() => {
    board.tick();
    callPeople();
    drawOld();
  }, 1_000);
  window.addEventListener("hashchange", showPlace);
  showPlace();
}

function onState(word) {
  live.textContent = common(word);
  live.className = `tag live ${word === "live" ? "" : "warn"}`;
  // Once it is live again, and not before, what is read misses nothing.
  if (word === "live") return everything.now();
  goodSince ??= nowMs();
}

function drawOld() {
  const isOld = goodSince !== null && nowMs() - goodSince > SAY_OLD_AFTER_MS;
  if (isOld === old.hidden) old.textContent = isOld ? t("old", { time: state.clock(goodSince) }) : "";
  show(old, isOld);
}

function onEvents(events) {
  state.heard(events);
  const ids = new Set(events.map((event) => event.order_id));
  for (const id of ids) orders.ask(id).catch(() => everything.later());
  if (ids.has(note.orderId)) note.refresh().catch(() => everything.later());
}

function nothing() {
  hasBegun = true;
  wake = () => {};
  bar.querySelector("h1").textContent = "lifecircle";
  show(bellButton, false);
  fill(main, h("div", { class: "card stack nothing" }, h("h2", {}, t("no_store", { id: storeId })), h("p", {}, t("no_store_text"))));
}

function showPlace() {
  const match = /^#note\/(.+)$/.exec(location.hash);
  show(boardView, match === null);
  if (match === null) note.close();
  else note.open(decodeURIComponent(match[1]));
  callPeople();
}

onHope(() => wake());
beginning.now();
