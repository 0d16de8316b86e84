// What the courier has said and the service has not heard yet: kept, and sent in its order until there is an answer.

import { act } from "../lib/actions.js";

const BECOMES = { "pick-up": "picked_up", deliver: "delivered", fail: "failed" };

/**
 * The outbox of an order's attempt. `onChange` is called when something is put in or did not get through, `onSent(order)`
 * when there is an answer; with null, after `onRefused(problem)`, when the service says no: then what follows is dropped too.
 */
export class Outbox {
  isStuck = false;
  #orderId;
  #attempt;
  #heard;
  #actions;
  #isSending = false;

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

  async #send() {
    if (this.#isSending) return;
    this.#isSending = true;
    while (!this.isEmpty) {
      let order = null;
      try {
        order = await act(this.#orderId, this.#actions[0], { attempt: this.#attempt }, {
          onProblem: () => {
            this.isStuck = true;
            this.#heard.onChange();
          },
        });
        this.#keep(this.#actions.slice(1));
      } catch (problem) {
        this.#keep([]);
        this.#heard.onRefused(problem);
      }
      this.isStuck = false;
      await this.#heard.onSent(order);
    }
    this.#isSending = false;
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
