// What operations may do with an order.

import { post, step } from "../lib/api.js";
import { common as said } from "../lib/common_words.js";
import { fill, h } from "../lib/dom.js";
import { problemNotice, reasonWord, statusWord } from "../lib/parts.js";
import { knows } from "../lib/words.js";
import { storeDayAndClock } from "./order_times.js";
import { t, words } from "./order_words.js";
import { closeByLeaving, codeInput, confirmed, field } from "./pieces.js";
import { t as common } from "./words.js";

const MAY_MOVE = ["held", "confirmed", "accepted", "ready"];
const MAY_BE_CARRIED = ["confirmed", "accepted", "ready", "picked_up"];

/** Buttons and links for what its status allows. What comes of them is told in `notice` while `isShown()`; `onDone` reads it anew. */
export function actionsOf(order, { onDone, notice, isShown }) {
  const path = `/v1/orders/${step(order.order_id)}`;
  const button = (name, look, onclick) => h("button", { type: "button", class: look, onclick }, t(name));

  async function act(action, body, told) {
    fill(notice);
    try {
      const after = await post(`${path}/${action}`, body);
      if (isShown()) fill(notice, h("p", { class: "notice good-notice" }, told(after)));
    } catch (problem) {
      if (isShown()) fill(notice, explained(problem));
    }
    if (isShown()) await onDone();
  }

  async function reassign() {
    const wish = await wishedStore(order);
    if (wish === null) return;
    const told = ({ store }) => t("moved_to", { store: store?.name ?? store?.store_id ?? "" });
    await act("reassign", { attempt: order.attempt, ...wish }, told);
  }

  async function cancel() {
    const isMeant = await confirmed({
      title: t("cancel_title", { id: order.order_id }), text: t("cancel_text"), yes: t("cancel_order"), no: t("keep"), look: "danger",
    });
    if (isMeant) await act("cancel", {}, () => t("cancelled"));
  }

  async function link() {
    fill(notice);
    try {
      const told = await post(`${path}/courier-link`, { attempt: order.attempt });
      // Whoever has gone elsewhere meanwhile looks at another order.
      if (isShown() && notice.offsetParent !== null) showLink(order, told);
    } catch (problem) {
      if (!isShown()) return;
      fill(notice, explained(problem));
      await onDone();
    }
  }

  const canMove = MAY_MOVE.includes(order.status);
  return h("div", { class: "row actions" },
    canMove && button("reassign", "", reassign),
    MAY_BE_CARRIED.includes(order.status) && button("courier_link", "", link),
    order.store && h("a", { class: "button", href: `${path}/delivery-note`, target: "_blank", rel: "noopener" }, t("note")),
    canMove && button("cancel_order", "danger", cancel));
}

function explained(problem) {
  if (problem.code === "no_store_can_fulfil") {
    const reason = problem.body.reason ?? problem.body.nearest_miss?.reason;
    return h("p", { class: "notice", role: "alert" }, t("reassign_none", { reason: reason ? reasonWord(reason) : problem.message }));
  }
  if (knows(words, `conflict_${problem.code}`)) {
    const status = problem.body.order_status ? statusWord(problem.body.order_status) : "";
    return h("p", { class: "notice", role: "alert" }, t(`conflict_${problem.code}`, { status }));
  }
  return problemNotice(problem);
}

/** Where somebody wants an order to go: `{}` the next best, `{store_id}` that one, null nowhere. */
function wishedStore(order) {
  const store = field(common("store_id"), codeInput());
  const best = h("input", { type: "radio", name: "to", checked: true });
  const named = h("input", { type: "radio", name: "to" });
  store.control.addEventListener("input", () => {
    named.checked = true;
    store.tell(null);
  });
  const read = () => (named.checked ? { store_id: store.control.value.trim() } : {});
  const isWhole = () => {
    if (read().store_id !== "") return true;
    store.tell(t("which_store"));
    store.control.focus();
    return false;
  };
  return confirmed({
    title: t("reassign_title", { id: order.order_id }), text: t("reassign_text"), yes: t("reassign_yes"), isWhole,
    children: [
      h("label", { class: "row choice" }, best, t("next_best")), h("label", { class: "row choice" }, named, t("this_store")), store.element,
    ],
  }).then((isMeant) => (isMeant ? read() : null));
}

function showLink(order, told) {
  const copied = h("span", { class: "small soft", role: "status" });
  const address = h("input", { readonly: true, value: told.url, "aria-label": t("courier_link"), onfocus: () => address.select() });
  const dialog = h("dialog", { class: "stack", "aria-label": t("courier_title", { id: order.order_id }) },
    h("h2", {}, t("courier_title", { id: order.order_id })),
    h("p", {}, t("courier_text", { time: storeDayAndClock(told.expires_at, order) })),
    told.qr && h("img", { class: "qr", src: told.qr, alt: "" }), address,
    h("form", { class: "row", method: "dialog" },
      h("button", { type: "button", class: "primary", onclick: async () => {
        address.select();
        try {
          await navigator.clipboard.writeText(told.url);
          copied.textContent = t("copied");
        } catch { /* it is selected, and can be copied by hand */ }
      } }, t("copy")), copied, h("button", { class: "end" }, said("close"))));
  dialog.addEventListener("close", () => dialog.remove());
  closeByLeaving(dialog);
  document.body.append(dialog);
  dialog.showModal();
}
