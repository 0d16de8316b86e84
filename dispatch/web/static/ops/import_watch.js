// An import as it goes on.

import { get, step } from "../lib/api.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 1_500;

/**
 * Tell of an import until it has ended. `onTold` gets it as it stands, each time; the answer is how it ended. A service that
 * cannot be reached is asked again, and `onProblem` hears of it. Throws what else is wrong, and AbortError.
 */
export async function watched(importId, { onTold, onProblem, signal }) {
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    try {
      const told = await get(`/v1/imports/${step(importId)}`, {}, { signal });
      if (told.status !== "running") return told;
      onTold(told);
    } catch (problem) {
      if (problem.name === "AbortError" || (problem.code !== "unreachable" && problem.status !== 503)) throw problem;
      onProblem(problem);
    }
    await paused(pauseMs, signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.3);
  }
}

function paused(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
