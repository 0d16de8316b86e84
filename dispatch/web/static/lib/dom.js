// Elements, made of text alone: nothing here reads HTML, so a name with tags in it shows as it is written.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children. `on…` are listeners; true and false set and leave out an attribute; null is left out. */
export function h(tag, properties, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for drawings. */
export function svg(tag, properties, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

/** Put children in the place of those an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Show or hide, for eyes and screen readers alike. */
export function show(element, isShown) {
  element.hidden = !isShown;
}

/** A region that screen readers read out when its text changes. */
export function announcer() {
  const region = h("p", { class: "for-readers", role: "status", "aria-live": "polite" });
  document.body.append(region);
  return (text) => {
    region.textContent = text;
  };
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}
