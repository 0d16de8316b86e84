// Goods: a field that finds them by name, and their names by sku.

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { codeInput, field } from "./pieces.js";

const PAUSE_MS = 200;
const AT_ONCE = 100;
const named = new Map();
let count = 0;

/** A field for a sku with suggestions by name: `{element, control, tell, sku, name}`. */
export function itemField(label, hint) {
  count += 1;
  const list = h("datalist", { id: `items-${count}` });
  const control = codeInput({ list: list.id });
  const one = field(label, control, hint);
  one.element.append(list);
  let timer = null;
  let asking = null;
  control.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  });

  async function suggest() {
    const q = control.value.trim();
    if (q === "" || named.has(q)) return;
    asking?.abort();
    asking = new AbortController();
    try {
      const { items } = await get("/v1/items", { q, limit: 12 }, { signal: asking.signal });
      for (const { sku, name } of items) named.set(sku, name);
      fill(list, items.map(({ sku, name }) => h("option", { value: sku }, name ?? sku)));
    } catch { /* without suggestions a sku can still be written */ }
  }

  return {
    ...one,
    sku: () => control.value.trim(),
    name: () => named.get(control.value.trim()) ?? control.value.trim(),
  };
}

/** Have the names of skus known; what cannot be had is left out. `nameOf` tells them from then on. */
export async function learnNames(skus) {
  const missing = [...new Set(skus)].filter((sku) => !named.has(sku));
  for (let i = 0; i < missing.length; i += AT_ONCE) {
    const asked = missing.slice(i, i + AT_ONCE);
    try {
      const { items } = await get("/v1/items", { sku: asked });
      for (const sku of asked) named.set(sku, null);
      for (const { sku, name } of items) named.set(sku, name);
    } catch {
      return;
    }
  }
}

/** The name of a sku, or null. */
export function nameOf(sku) {
  return named.get(sku) ?? null;
}

/** The skus whose name has the words, or that begin so. */
export async function skusOf(text, signal) {
  const { items } = await get("/v1/items", { q: text, limit: 50 }, { signal });
  for (const { sku, name } of items) named.set(sku, name);
  return items.map((item) => item.sku);
}
