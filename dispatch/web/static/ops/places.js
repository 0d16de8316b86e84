// Addresses within the console: #view/what?filter=…

import { address } from "../lib/api.js";

/** What an address says: `{view, what, query}`; `what` is null where there is none, `query` a URLSearchParams. */
export function placeOf(hash) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?", 2);
  const cut = path.indexOf("/");
  const view = cut < 0 ? path : path.slice(0, cut);
  return { view, what: cut < 0 ? null : read(path.slice(cut + 1)) || null, query: new URLSearchParams(search) };
}

/** The address of a view, of one thing in it, with a filter. */
export function linkTo(view, what = null, query = {}) {
  return `#${address(what === null ? view : `${view}/${encodeURIComponent(what)}`, query)}`;
}

function read(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
