// A question over the page, which nothing else is done before.

import { h } from "./dom.js";

/** Open a dialog with a heading and what is in it; `{element, close}`. It is gone when it is closed, by whatever way. */
export function openDialog(title, content, { kind = "", onClose } = {}) {
  const id = `dialog-${(count += 1)}`;
  const element = h("dialog", { class: kind, "aria-labelledby": id }, h("h2", { id, tabindex: "-1" }, title), content);
  element.addEventListener("close", () => {
    element.remove();
    onClose?.();
  });
  // A touch beside it closes it, as people are used to.
  element.addEventListener("click", (event) => event.target === element && isBeside(element, event) && element.close());
  document.body.append(element);
  element.showModal();
  return { element, close: () => element.close() };
}
let count = 0;

function isBeside(element, { clientX: x, clientY: y }) {
  const box = element.getBoundingClientRect();
  return x < box.left || x > box.right || y < box.top || y > box.bottom;
}
