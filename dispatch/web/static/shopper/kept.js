// What outlives a reload of this tab, and nothing else: the browser forgets it with the tab.

const PREFIX = "lifecircle.shopper.";

/** Keep a value under a name; null is forgotten. */
export function keep(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch { /* a browser that keeps nothing: the page works, until it is loaded anew */ }
}

/** What was kept under a name; null of nothing, or of what cannot be read. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
