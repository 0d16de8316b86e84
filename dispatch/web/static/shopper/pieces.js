// Pieces of a place that are put anew only when they differ, so that what has the focus keeps it.

/**
 * A function that puts pieces into an element: a list of `[key, tells, make]`, in the order in which they always come.
 * What `make` makes (an element, or null for none) stays until `tells` says something else than before.
 */
export function pieces(element) {
  const there = new Map();
  return (wanted) => {
    const keys = new Set(wanted.map(([key]) => key));
    for (const key of [...there.keys()]) if (!keys.has(key)) take(key);
    let last = null;
    for (const [key, tells, make] of wanted) {
      const told = JSON.stringify(tells);
      if (there.get(key)?.told !== told) {
        take(key);
        const made = make();
        there.set(key, { told, made });
        if (last === null) element.prepend(...(made === null ? [] : [made]));
        else if (made !== null) last.after(made);
      }
      last = there.get(key).made ?? last;
    }
  };

  function take(key) {
    there.get(key)?.made?.remove();
    there.delete(key);
  }
}
