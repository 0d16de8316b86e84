// The QR code of a store's page, for a poster: to be downloaded or printed.

import { get, step } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { problemNotice } from "../lib/parts.js";
import { t } from "./map_words.js";
import { codeInput, field } from "./pieces.js";

const PAUSE_MS = 300;

/** What a poster needs, behind a line that opens it: `{element, remove}`. */
export function posterOf(store) {
  const campaign = field(t("campaign"), codeInput(), t("campaign_hint"));
  const shown = h("div", { class: "stack" });
  let address = null;
  let timer = null;
  let asking = null;

  async function load() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const query = { campaign: campaign.control.value.trim() };
    try {
      const drawing = await get(`/v1/stores/${step(store.store_id)}/qr.svg`, query, { accept: "image/svg+xml", signal });
      if (signal.aborted) return;
      if (address !== null) URL.revokeObjectURL(address);
      address = URL.createObjectURL(new Blob([drawing], { type: "image/svg+xml" }));
      const image = h("img", { class: "qr", src: address, alt: t("qr_alt", { name: store.name ?? store.store_id }) });
      const name = [store.store_id, query.campaign].filter(Boolean).join("-");
      fill(shown, image, h("div", { class: "row" },
        h("a", { class: "button", href: address, download: `${name}.svg` }, t("download")),
        h("button", { type: "button", onclick: () => print(store, image) }, t("print"))));
      shown.inert = false;
    } catch (problem) {
      if (signal.aborted) return;
      fill(shown, problemNotice(problem, load));
      shown.inert = false;
    }
  }

  campaign.control.addEventListener("input", () => {
    clearTimeout(timer);
    // What is drawn is of the text before, and must not be printed for this one.
    asking?.abort();
    shown.inert = true;
    timer = setTimeout(load, PAUSE_MS);
  });
  const element = h("details", { ontoggle: (event) => event.target.open && address === null && load() },
    h("summary", {}, t("poster")),
    h("div", { class: "stack" }, h("p", { class: "small soft" }, t("poster_text")), campaign.element, shown));
  return {
    element,
    remove() {
      clearTimeout(timer);
      asking?.abort();
      if (address !== null) URL.revokeObjectURL(address);
    },
  };
}

/** Print nothing but the poster. */
function print(store, image) {
  const poster = h("div", { class: "poster" }, h("p", { class: "poster-name" }, store.name ?? store.store_id),
    h("img", { src: image.src, alt: image.alt }), h("p", { class: "poster-text" }, t("poster_scan")), h("p", {}, store.address ?? ""));
  document.body.append(poster);
  window.addEventListener("afterprint", () => poster.remove(), { once: true });
  poster.querySelector("img").decode().finally(() => window.print());
}
