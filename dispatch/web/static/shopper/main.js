// The shopper's page: a map and a panel. What is chosen is in state.js; each part shows it in its own way.

import { get, step } from "../lib/api.js";
import { announcer, fill, h, show } from "../lib/dom.js";
import { clockHere } from "../lib/format.js";
import { openMap, placeOf } from "../lib/map.js";
import { problemNotice, topBar } from "../lib/parts.js";
import { showStores } from "../lib/stores_layer.js";
import { askingPart } from "./asking.js";
import { basketList } from "./basket.js";
import { dropToken, hasToken, takeToken } from "./caller.js";
import { circlePart } from "./circle.js";
import { doorPart } from "./door.js";
import { nearbyPart } from "./nearby.js";
import { addOrder, findPlacing, forgetOrders, keepPlacing, placedOrders, placing, watch, watchedOrder } from "./orders.js";
import { searchField } from "./search.js";
import { doorBefore, emptyBasket, on, restoreBasket, setDoor, state, storeId } from "./state.js";
import { storeCard, storeMissing } from "./store_card.js";
import { openStore } from "./store_popup.js";
import { watchingPart } from "./watching.js";
import { wayOn } from "./way.js";
import { t } from "./words.js";

const NEAR_ZOOM = 15;
const STORE_ZOOM = 14;
const LOST_PAUSE_MS = 2_000;
const LOST_TRIES = 3;

const say = announcer();
const mapElement = h("div", { class: "map" });
const notices = h("div", { class: "notices" });
const card = h("div", {});
const door = doorPart(say);
const nearby = nearbyPart(say);
const circle = circlePart();
const asking = askingPart(say, { onOrdered: ordered, onAnswer: (isShown) => nearby.showNumbers(!isShown) });
const earlier = h("ul", { class: "list" });
const earlierPart = h("section", { class: "part", "aria-labelledby": "earlier-title", hidden: true }, h("h2", { id: "earlier-title" }, t("your_orders")), earlier);
const emptyNote = h("p", { class: "small soft" }, t("basket_empty"));
const shopping = h("div", { class: "shopping" },
  door.element,
  h("section", { class: "part stack tight", "aria-labelledby": "wanted-title" },
    h("h2", { id: "wanted-title" }, t("wanted_title")), searchField(say), basketList(), emptyNote, asking.question),
  asking.answer, circle.element, nearby.element, earlierPart);
const panel = h("div", { class: "panel" }, notices, card, shopping);
const main = h("main", { class: "shop" }, panel, mapElement);
let watching = null;
let shown = null;

document.title = t("page_title");
document.body.append(topBar(t("title")), main);
on("basket", () => show(emptyNote, state.basket.size === 0));
restoreBasket();
start();

async function start() {
  try {
    if (await takeToken()) forgetOrders();
  } catch (problem) {
    fill(notices, problem.status === 401 ? h("p", { class: "notice", role: "alert" }, t("token_bad")) : problemNotice(problem, reload));
  }
  try {
    const { map, datum, drawn } = await openedMap();
    state.datum = datum;
    if (storeId === null || (await meetStore())) begin(map, drawn);
  } catch (problem) {
    fill(notices, problemNotice(problem, reload));
  }
}

/** The map. A token that the service no longer knows is dropped, for without it there is an answer. */
async function openedMap() {
  const options = { label: t("map_label") };
  try {
    return await openMap(mapElement, options);
  } catch (problem) {
    if (problem.status !== 401 || !hasToken()) throw problem;
    dropToken();
    return openMap(mapElement, options);
  }
}

function reload() {
  location.reload();
}

/** Whether the store whose page this is can be shown. */
async function meetStore() {
  try {
    state.store = await get(`/v1/stores/${step(storeId)}`, { datum: state.datum });
  } catch (problem) {
    fill(card, storeMissing(storeId, problem, reload));
    show(shopping, false);
    main.classList.add("is-missing");
    return false;
  }
  document.title = `${state.store.name ?? storeId} · lifecircle`;
  fill(card, storeCard(state.store));
  return true;
}

function begin(map, drawn) {
  const before = doorBefore();
  if (state.store !== null) map.setView([state.store.lat, state.store.lon], STORE_ZOOM, { animate: false });
  else if (before !== null) map.setView([before.lat, before.lon], NEAR_ZOOM, { animate: false });
  setDoor(before ?? placeOf(map.getCenter()), { isChosen: before !== null });
  const way = wayOn(map);
  door.connect(map);
  // What is measured as the first view (make bench): the ground, and the stores around.
  Promise.all([drawn, nearby.connect(map)]).then(() => performance.mark("first-view"));
  circle.connect(map);
  asking.connect(way);
  showStores(map, { datum: state.datum, onStore: (store) => openStore(map, store) });
  watching = watchingPart(say, way, leaveOrder);
  panel.append(watching.element);
  listEarlier();
  const watched = watchedOrder();
  if (watched !== null) showOrder(watched);
  const lost = placing();
  if (lost !== null) findLost(lost);
}

/**
 * An order that was being placed when the page was loaded anew. What the service was still at work with is not there at
 * once, so that one that is not found is looked for again.
 */
async function findLost(before, tries = 1) {
  if (placing()?.order_id !== before.order_id) return;
  let order = null;
  try {
    order = await findPlacing(before);
  } catch {
    return setTimeout(findLost, LOST_PAUSE_MS, before, tries);
  }
  if (order !== null) return ordered(order, before);
  if (tries === LOST_TRIES || placing() !== null) return;
  keepPlacing(before);
  setTimeout(findLost, LOST_PAUSE_MS, before, tries + 1);
}

function ordered(order, placed) {
  addOrder(placed);
  keepPlacing(null);
  emptyBasket();
  showOrder(placed, order);
}

/** From shopping to an order, known already or to be asked for. */
async function showOrder(placed, order = null) {
  shown = placed;
  watch(placed.order_id);
  asking.forget();
  show(shopping, false);
  show(card, false);
  nearby.showNumbers(false);
  circle.showArea(false);
  panel.scrollTop = 0;
  const at = placed.datum === state.datum ? placed.door : await doorHere(placed);
  if (shown !== placed) return;
  door.hold(at);
  watching.watch(placed, at, order);
}

/** Where this map has the door of an order that was placed on a map of another datum; null if nobody can tell. */
async function doorHere({ door: { lat, lon }, datum }) {
  try {
    const turned = await get("/v1/places/turned", { lat, lon, from: datum, to: state.datum });
    return { lat: turned.lat, lon: turned.lon };
  } catch {
    return null;
  }
}

function leaveOrder() {
  shown = null;
  watch(null);
  watching.stop();
  asking.forget();
  door.hold(null);
  show(shopping, true);
  show(card, true);
  nearby.showNumbers(true);
  circle.showArea(true);
  listEarlier();
  panel.scrollTop = 0;
  document.getElementById("goods").focus({ preventScroll: true });
}

function listEarlier() {
  const orders = placedOrders();
  show(earlierPart, orders.length > 0);
  fill(earlier, orders.map((placed) => h("li", {},
    h("button", { type: "button", class: "plain wide", onclick: () => showOrder(placed) },
      t("order_of", { time: clockHere(placed.placed_at), goods: placed.goods.map(([sku, name]) => name ?? sku).join(", ") })))));
}
