// What calls people to the counter: a sound that is made here, a shake, the page's title, and a screen that stays on.

const KEPT_AS = "lifecircle.store.sound";
const EVERY_MS = 4_000;
// Two notes, thrice: pitch in Hz, and when it begins in seconds.
const NOTES = [[784, 0], [1047, 0.18], [784, 0.5], [1047, 0.68], [784, 1], [1047, 1.18]];
const NOTE_S = 0.35;
const LOUDNESS = 0.5;
const SHAKE_MS = [300, 120, 300];

/**
 * The bell. `state` is "asleep" until somebody has tapped (browsers let no page make a sound before), then "on" or
 * "off", as was chosen last on this device. `onChange` is called when it changes.
 */
export class Bell {
  #context = null;
  #timer = null;
  #wanted = kept();
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    // Who has wanted sound before need not look for the button again: the first touch of anything wakes it.
    const wake = () => this.#wanted === "on" && this.start();
    for (const touch of ["pointerup", "keydown"]) document.addEventListener(touch, wake, { capture: true });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && keepScreenOn());
    keepScreenOn();
  }

  get state() {
    if (this.#wanted === "off") return "off";
    return this.#context?.state === "running" ? "on" : "asleep";
  }

  /** Let it make sounds; to be called while somebody taps. */
  async start() {
    const isNew = this.#wanted !== "on" || this.#context === null;
    this.#want("on");
    if (this.#context === null) {
      const Context = globalThis.AudioContext ?? globalThis.webkitAudioContext;
      if (Context === undefined) return;
      this.#context = new Context();
      this.#context.addEventListener("statechange", () => this.#onChange());
    }
    if (this.#context.state !== "running") await this.#context.resume().catch(() => {});
    if (isNew) this.#onChange();
  }

  mute() {
    this.#want("off");
    this.#context?.suspend().catch(() => {});
    this.#onChange();
  }

  /** Ring from now on, every few seconds, or be quiet. */
  ring(isToRing) {
    if (isToRing === (this.#timer !== null)) return;
    clearInterval(this.#timer);
    this.#timer = isToRing ? setInterval(() => this.#sound(), EVERY_MS) : null;
    if (isToRing) this.#sound();
  }

  #sound() {
    if (this.#wanted === "off") return;
    // Before a tap it would not shake, and the browser would complain.
    if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(SHAKE_MS);
    if (this.state !== "on") return;
    const from = this.#context.currentTime + 0.02;
    for (const [pitch, at] of NOTES) note(this.#context, pitch, from + at);
  }

  #want(wanted) {
    this.#wanted = wanted;
    try {
      localStorage.setItem(KEPT_AS, wanted);
    } catch { /* a browser that keeps nothing is asked each time */ }
  }
}

function note(context, pitch, from) {
  const tone = context.createOscillator();
  const loudness = context.createGain();
  tone.type = "triangle";
  tone.frequency.value = pitch;
  loudness.gain.setValueAtTime(0, from);
  loudness.gain.linearRampToValueAtTime(LOUDNESS, from + 0.015);
  loudness.gain.exponentialRampToValueAtTime(0.001, from + NOTE_S);
  tone.connect(loudness).connect(context.destination);
  tone.start(from);
  tone.stop(from + NOTE_S);
}

function kept() {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

/** A screen that goes dark behind the counter shows no order. */
async function keepScreenOn() {
  try {
    await navigator.wakeLock?.request("screen");
  } catch { /* a battery that is low says no */ }
}
