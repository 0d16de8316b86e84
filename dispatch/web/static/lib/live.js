// What happens to orders, as it happens, with nothing lost: each connection goes on where the last one ended.

import { address, post } from "./api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
// A position may be of a database that was replaced by a backup: after so many refusals it is begun anew.
const MOST_REFUSALS = 4;
// The service says something every 15 s. A phone that has changed its network may not be told that nothing comes any more.
const LONGEST_SILENCE_MS = 45_000;
const LONGEST_ASKING_MS = 10_000;

/**
 * Follow the events of `{store_id}`, of `{order_id}`, or of all orders ({}).
 *
 * `onReady` is called once the stream has begun, before any event: what is read from then on misses nothing. It is
 * called again should the stream have to begin anew.
 * `onEvents` gets lists of events, each of them once, in order. `onState` gets "live" and "reconnecting".
 * The answer ends it when it is called.
 */
export function follow(which, { onReady, onEvents, onState }) {
  let source = null;
  let after = null;
  let pauseMs = FIRST_PAUSE_MS;
  let timer = null;
  let hasEnded = false;
  let isReady = false;
  let refusals = 0;
  let watchdog = null;

  async function connect() {
    timer = null;
    let ticket;
    try {
      // A ticket stands for who asks: an EventSource cannot send a header.
      ({ ticket } = await post("/v1/events/tickets", which, { signal: AbortSignal.timeout(LONGEST_ASKING_MS) }));
    } catch {
      return again();
    }
    if (hasEnded) return;
    source = new EventSource(address("/v1/events/stream", { ticket, after }));
    source.addEventListener("beat", heard);
    heard();
    source.addEventListener("ready", (message) => {
      heard();
      after = message.lastEventId;
      pauseMs = FIRST_PAUSE_MS;
      refusals = 0;
      onState("live");
      if (!isReady) onReady?.();
      isReady = true;
    });
    source.addEventListener("orders", (message) => {
      heard();
      after = message.lastEventId;
      onEvents(JSON.parse(message.data).events);
    });
    source.addEventListener("position", (message) => {
      heard();
      after = message.lastEventId;
    });
    // The ticket is used up, so that the browser's own reconnecting would be refused.
    source.addEventListener("error", () => {
      refusals += 1;
      if (refusals > MOST_REFUSALS) {
        after = null;
        isReady = false;
      }
      again();
    });
  }

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(again, LONGEST_SILENCE_MS);
  }

  function again() {
    if (hasEnded) return;
    source?.close();
    clearTimeout(watchdog);
    clearTimeout(timer);
    onState("reconnecting");
    timer = setTimeout(connect, pauseMs * (0.5 + Math.random()));
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }

  function wake() {
    if (document.visibilityState !== "visible" || timer === null) return;
    clearTimeout(timer);
    pauseMs = FIRST_PAUSE_MS;
    connect();
  }

  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  connect();
  return () => {
    hasEnded = true;
    clearTimeout(timer);
    clearTimeout(watchdog);
    source?.close();
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
  };
}
