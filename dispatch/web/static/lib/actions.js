// What is asked of an order, until there is an answer: the same again changes nothing, so that it may be sent again.

import { Problem, post, step } from "./api.js";

const TRY_FOR_MS = 10_000;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
const MAY_PASS = new Set([0, 500, 502, 503, 504]);

/** Whether a problem may be gone when the same is sent again. */
export function mayPass(problem) {
  return problem instanceof Problem && MAY_PASS.has(problem.status);
}

/**
 * The order as it is after an action: `body` carries the `attempt` that is meant. What does not get through is sent again,
 * at most `tries` times in all, at once when the network comes back; `onProblem` hears of each time that it did not.
 * Throws Problem, and AbortError once `signal` says so.
 */
export async function act(orderId, action, body, { tries = Infinity, onProblem, signal } = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await once(`/v1/orders/${step(orderId)}/${action}`, body, signal);
    } catch (problem) {
      if (!mayPass(problem) || tried >= tries) throw problem;
      onProblem?.(problem);
    }
    await pause(PAUSES_MS[Math.min(tried, PAUSES_MS.length) - 1], signal);
  }
}

async function once(path, body, signal) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = setTimeout(() => controller.abort(new DOMException("no answer came", "TimeoutError")), TRY_FOR_MS);
  signal?.addEventListener("abort", stop);
  try {
    if (signal?.aborted) stop();
    return await post(path, body, { signal: controller.signal });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Wait so long, or until the network is back. Throws AbortError once `signal` says so. */
function pause(lengthMs, signal) {
  return new Promise((resolve, reject) => {
    function end() {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(new DOMException("it is not wanted any more", "AbortError"));
      else resolve();
    }
    const timer = setTimeout(end, lengthMs);
    window.addEventListener("online", end);
    signal?.addEventListener("abort", end);
  });
}
