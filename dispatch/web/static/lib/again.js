// Doing again by itself what did not get through: soon, then less often, and at once when there is hope.

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Something that is done again until it gets through; it says by `later` that it did not, and by `good` that it did. */
export class Again {
  #does;
  #pauseMs = FIRST_PAUSE_MS;
  #timer = null;

  constructor(does) {
    this.#does = does;
  }

  /** Do it after a pause, which is longer each time; at what is waited for already, if anything is. */
  later() {
    if (this.#timer !== null) return;
    // Screens that failed together do not come back together.
    this.#timer = setTimeout(() => this.#run(), this.#pauseMs * (0.5 + Math.random() / 2));
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }

  /** Do it at once, and be patient anew should it fail. */
  now() {
    this.good();
    this.#run();
  }

  good() {
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  #run() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#does();
  }
}

/** Hear of a network that is back, and of a page that is looked at again: its connection may only look alive. */
export function onHope(callback) {
  window.addEventListener("online", callback);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && callback());
}
