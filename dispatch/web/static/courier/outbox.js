// What the courier has said and the service has not heard yet: kept, and sent in its order until there is an answer.

import { act } from "../lib/actions.js";
import { Problem } from "../lib/api.js";

const BECOMES = { "pick-up": "picked_up", deliver: "delivered", fail: "failed" };

// What the service says of an order that stands otherwise. Whatever else goes wrong, nobody knows whether it was heard.
const REFUSALS = new Set([403, 404, 409]);
const PAUSE_MS = 15_000;

/**
 * The outbox of an order's attempt. `onChange` is called when something is put in or did not get through, `onSent(order)`
 * when there is an answer; with null, after `onRefused(problem)`, when the service says no: then what follows is dropped
 * too. `onTrouble(error)` is called when there is no answer of use; then it is kept, and sent again until `stop` is called.
 */
export class Outbox {
  isStuck = false;
  #orderId;
  #attempt;
  #heard;
  #actions;
  #isSending = false;
  #stopping = new AbortController();

  constructor(orderId, attempt, heard) {
    this.#orderId = orderId;
    this.#attempt = attempt;
    this.#heard = heard;
    this.#actions = this.#kept();
    this.#send();
  }

  get isEmpty() {
    return this.#actions.length === 0;
  }

  /** What the order is, or will be once all is sent. */
  statusAfter(status) {
    return this.isEmpty ? status : BECOMES[this.#actions.at(-1)];
  }

  put(action) {
    if (this.#actions.includes(action)) return;
    this.#keep([...this.#actions, action]);
    this.#heard.onChange();
    this.#send();
  }

  /** Send no more; what is kept goes on with the next page of this order. */
  stop() {
    this.#stopping.abort();
  }

  async #send() {
    if (this.#isSending || this.#stopping.signal.aborted) return;
    this.#isSending = true;
    while (!this.isEmpty) {
      let order = null;
      try {
        order = await act(this.#orderId, this.#actions[0], { attempt: this.#attempt }, {
          signal: this.#stopping.signal,
          onProblem: () => this.#beStuck(),
        });
        this.#keep(this.#actions.slice(1));
      } catch (problem) {
        if (!this.#stopping.signal.aborted && !isRefusal(problem)) {
          this.#beStuck();
          this.#heard.onTrouble(problem);
          await hope(PAUSE_MS);
        }
        if (this.#stopping.signal.aborted) return;
        if (!isRefusal(problem)) continue;
        this.#keep([]);
        this.#heard.onRefused(problem);
      }
      this.isStuck = false;
      await this.#heard.onSent(order);
    }
    this.#isSending = false;
  }

  #beStuck() {
    this.isStuck = true;
    this.#heard.onChange();
  }

  get #keptAs() {
    return `lifecircle.courier.${this.#orderId}.${this.#attempt}`;
  }

  #kept() {
    try {
      return JSON.parse(localStorage.getItem(this.#keptAs) ?? "[]").filter((action) => action in BECOMES);
    } catch {
      return [];
    }
  }

  #keep(actions) {
    this.#actions = actions;
    try {
      if (actions.length === 0) localStorage.removeItem(this.#keptAs);
      else localStorage.setItem(this.#keptAs, JSON.stringify(actions));
    } catch { /* then it is lost if the page is closed before it is sent */ }
  }
}

function isRefusal(problem) {
  return problem instanceof Problem && REFUSALS.has(problem.status);
}

/** Wait so long, or until the network is back. */
function hope(lengthMs) {
  return new Promise((resolve) => {
    setTimeout(resolve, lengthMs);
    window.addEventListener("online", resolve, { once: true });
  });
}
