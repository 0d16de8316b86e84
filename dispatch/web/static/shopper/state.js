// What the shopper has chosen, in one place. Parts of the page listen to what they show.

import { keep, kept } from "./kept.js";

const MOST_LABEL_CHARS = 64;
const MOST_QUANTITY = 999;
const MOST_LINES = 50;
export const USUAL_PROMISE_MIN = 60;

/** Of /s/{store_id}: whose page this is; else null. */
export const storeId = storeOfAddress();
/** The label that a poster or an advertisement gave to the address, here or at an earlier page of this tab; null of none. */
export const campaign = campaignOfTab();
export const channel = storeId === null ? "web" : "store_page";

/**
 * `datum`: what all places of the page are in. `door`: {lat, lon}, or null until the map is there; `isDoorChosen`: the
 * shopper has said so. `basket`: by sku, {sku, name, quantity}. `store`: whose page this is, as the service tells it.
 */
export const state = {
  datum: "wgs84",
  door: null,
  isDoorChosen: false,
  basket: new Map(),
  openNow: false,
  promiseMinutes: USUAL_PROMISE_MIN,
  store: null,
  onlyHere: storeId !== null,
};

const listeners = new Map();
// What goods are called, as far as this page has heard.
const names = new Map();

/** Have something done when one of "door", "chosen", "basket", "filter", "terms" has changed. */
export function on(whats, callback) {
  for (const what of whats.split(" ")) listeners.set(what, [...(listeners.get(what) ?? []), callback]);
}

function tell(what) {
  for (const callback of listeners.get(what) ?? []) callback();
}

export function setDoor(place, { isChosen = true } = {}) {
  state.door = place;
  state.isDoorChosen ||= isChosen;
  if (state.isDoorChosen) keep("door", { ...place, datum: state.datum });
  tell("door");
}

/** The shopper means the door as it is: what was answered for it stays an answer. */
export function confirmDoor() {
  state.isDoorChosen = true;
  keep("door", { ...state.door, datum: state.datum });
  tell("chosen");
}

/** Where the shopper wanted things brought before this page was loaded anew; null if that is not known. */
export function doorBefore() {
  const door = kept("door");
  return door?.datum === state.datum ? { lat: door.lat, lon: door.lon } : null;
}

/** So many pieces of a good: {sku, name}; 0 takes it out. Whether the basket has room for it. */
export function setQuantity({ sku, name }, quantity) {
  if (quantity > 0 && !state.basket.has(sku) && state.basket.size >= MOST_LINES) return false;
  learnName(sku, name);
  if (quantity > 0) state.basket.set(sku, { sku, name, quantity: Math.min(MOST_QUANTITY, quantity) });
  else state.basket.delete(sku);
  basketChanged();
  return true;
}

export function emptyBasket() {
  state.basket.clear();
  basketChanged();
}

/** What is in the basket by what it is called: [[sku, name]], the name null where it has none. */
export function goodsWanted() {
  return [...state.basket.values()].map(({ sku, name }) => [sku, name]);
}

/** What a good is called; its sku where that is not known. */
export function nameOf(sku) {
  return names.get(sku) ?? sku;
}

/** Remember what a good is called; null where nobody knows. */
export function learnName(sku, name) {
  if (name !== null) names.set(sku, name);
}

export function setOpenNow(openNow) {
  state.openNow = openNow;
  tell("filter");
}

/** How long it may take, and whether only the store of this page may bring it. */
export function setTerms(terms) {
  Object.assign(state, terms);
  tell("terms");
}

/** What is asked of quotes and orders alike. */
export function question() {
  const { lat, lon } = state.door;
  return {
    destination: { lat, lon },
    datum: state.datum,
    lines: [...state.basket.values()].map(({ sku, quantity }) => ({ sku, quantity })),
    promise_minutes: state.promiseMinutes,
    strategy: "fastest",
    only_stores: state.onlyHere ? [storeId] : [],
    channel,
    campaign,
  };
}

export function restoreBasket() {
  for (const good of kept("basket") ?? []) {
    learnName(good.sku, good.name);
    state.basket.set(good.sku, good);
  }
  tell("basket");
}

function basketChanged() {
  keep("basket", [...state.basket.values()]);
  tell("basket");
}

function storeOfAddress() {
  const step = /^\/s\/([^/]+)$/.exec(location.pathname)?.[1];
  if (step === undefined) return null;
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

function campaignOfTab() {
  const told = campaignOfAddress();
  if (told !== null) keep("campaign", told);
  return told ?? kept("campaign");
}

function campaignOfAddress() {
  const told = new URLSearchParams(location.search).get("campaign") ?? "";
  const plain = [...told.replace(/[\p{C}\p{Z}]+/gu, " ").trim()].slice(0, MOST_LABEL_CHARS).join("").trim();
  return plain === "" ? null : plain;
}
