// Whom it is brought to, and the order: placed with its goods held, then confirmed.

import { mayPass } from "../lib/actions.js";
import { post, send, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { nowMs } from "../lib/now.js";
import { problemNotice } from "../lib/parts.js";
import { dropToken, orderIdPrefix } from "./caller.js";
import { keep, kept } from "./kept.js";
import { findPlacing, keepPlacing, placing } from "./orders.js";
import { confirmDoor, goodsWanted, state } from "./state.js";
import { t } from "./words.js";

const HOLD_S = 900;
const MOST_CHARS = 500;
const TOO_MANY = 429;

/**
 * The form for an order of what was asked, at no higher prices than were quoted. `onOrdered(order, placed)`, when it is
 * placed, confirmed or not, with what is kept of it; `onRefused(answer)` with what a quote would say when no store can any more; `onOutdated()` when
 * prices have changed.
 */
export function orderForm(asked, quote, { onOrdered, onRefused, onOutdated }) {
  const before = kept("customer") ?? {};
  const fields = {
    name: h("input", { name: "name", autocomplete: "name", maxlength: MOST_CHARS, value: before.name ?? "" }),
    phone: h("input", { name: "phone", type: "tel", autocomplete: "tel", maxlength: MOST_CHARS, value: before.phone ?? "" }),
    address: h("input", { name: "address", autocomplete: "street-address", maxlength: MOST_CHARS, value: before.address ?? "" }),
    note: h("textarea", { name: "note", rows: 2, maxlength: MOST_CHARS, value: before.note ?? "" }),
  };
  const button = h("button", { type: "submit", class: "primary wide" }, t("order"));
  const wrong = h("div", {});
  const tick = state.isDoorChosen ? null : h("input", { type: "checkbox", name: "door", required: true });
  const sent = { body: null, placed: null };

  async function submit(event) {
    event.preventDefault();
    if (tick !== null) confirmDoor();
    button.disabled = true;
    fill(button, t("ordering"));
    fill(wrong);
    const customer = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]).filter(([, text]) => text !== ""));
    keep("customer", customer);
    try {
      const { order, placed } = await place({ ...asked, lines: priced(asked.lines, quote.lines), customer, hold_s: HOLD_S });
      onOrdered(await confirmed(order), placed);
      return;
    } catch (problem) {
      refused(problem);
    }
    button.disabled = false;
    fill(button, t("order"));
  }

  /**
   * The same again goes under the same id, so that it is one order however often the way to the service breaks. Something
   * else is asked for only when it is known that what went before was never placed.
   */
  async function place(order) {
    const body = JSON.stringify(order);
    const before = placing();
    if (before !== null && (sent.body !== body || sent.placed?.order_id !== before.order_id)) {
      const found = await findPlacing(before);
      if (found !== null) return { order: found, placed: before };
      sent.body = null;
    }
    if (sent.body !== body) {
      const id = (await orderIdPrefix()) + randomHex(4);
      const goods = goodsWanted();
      Object.assign(sent, { body, placed: {
        order_id: id, door: asked.destination, datum: asked.datum, goods, placed_at: new Date(nowMs()).toISOString(),
      } });
    }
    keepPlacing(sent.placed);
    const { body: placed } = await send("PUT", `/v1/orders/${step(sent.placed.order_id)}`, { json: order });
    return { order: placed, placed: sent.placed };
  }

  function refused(problem) {
    if (!mayPass(problem) && problem.status !== TOO_MANY) keepPlacing(null);
    if (problem.code === "no_store_can_fulfil") {
      onRefused({ ...problem.body, detail: problem.body.reason_detail });
    } else if (problem.code === "price_changed") {
      fill(wrong, h("div", { class: "notice", role: "alert" }, h("p", {}, t("price_changed")),
        h("button", { type: "button", onclick: onOutdated }, t("ask_again"))));
    } else {
      if (problem.status === 401) {
        dropToken();
        sent.body = null;
      }
      fill(wrong, problemNotice(problem));
    }
  }

  return h("form", { class: "stack order-form", onsubmit: submit },
    h("h3", {}, t("order_title")),
    h("div", { class: "pair" }, h("label", {}, t("name"), fields.name), h("label", {}, t("phone"), fields.phone)),
    h("label", {}, t("address"), fields.address),
    h("label", {}, t("note"), fields.note),
    h("p", { class: "small soft" }, t("optional")),
    tick === null ? null : h("div", { class: "notice" }, h("p", {}, t("door_unchosen")), h("label", { class: "row toggle" }, tick, t("door_yes"))),
    wrong, button);
}

/** The order once it is confirmed; as it is when the confirming fails, for it is held and can be confirmed later. */
export async function confirmed(order) {
  if (order.status !== "held") return order;
  try {
    return await post(`/v1/orders/${step(order.order_id)}/confirm`, {});
  } catch {
    return order;
  }
}

function priced(lines, quoted) {
  const prices = new Map(quoted.map((line) => [line.sku, line.price]));
  return lines.map((line) => (prices.get(line.sku) === null ? line : { ...line, max_price: prices.get(line.sku) }));
}

function randomHex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
