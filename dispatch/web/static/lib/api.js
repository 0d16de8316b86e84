// The public API, as any client asks it.

import { hearTime } from "./now.js";

/** What the service says is wrong. `errors` name places in what was sent; `body` is the whole problem. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? String(status));
    this.status = status;
    this.code = body.code ?? "unknown";
    this.errors = body.errors ?? [];
    this.body = body;
  }
}

let bearer = null;
// What this page has written, so that its next reads see it.
let version = null;

/** Who asks from now on: a token, or null for nobody in particular. */
export function askAs(token) {
  bearer = token;
}

/**
 * The answer to a request: `{status, body, headers}`; body is the JSON, or the text of what is none.
 * Values of `query` that are null or empty are left out, and lists repeat their name.
 * Throws Problem; of a service that cannot be reached with status 0 and code `unreachable`.
 */
export async function send(method, path, { query, json, body, headers, signal, accept } = {}) {
  const sent = new Headers(headers);
  sent.set("Accept", accept ?? "application/json");
  if (bearer !== null) sent.set("Authorization", `Bearer ${bearer}`);
  if (method === "GET" && version !== null) sent.set("Dispatch-Min-Version", version);
  if (json !== undefined) sent.set("Content-Type", "application/json");
  const sentMs = Date.now();
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method, headers: sent, signal, body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: error.message });
  }
  version = answer.headers.get("Dispatch-Version") ?? version;
  hearTime(answer.headers, sentMs);
  const told = await read(answer);
  if (!answer.ok) throw problemOf(answer.status, told);
  return { status: answer.status, body: told, headers: answer.headers };
}

/** What is wrong, of an answer that is an error. What a proxy says, in HTML, is nothing for people. */
function problemOf(status, told) {
  const problem = new Problem(status, typeof told === "object" && told !== null ? told : {});
  // A service that was put back from a backup never gets as far as this page has seen it: ask without.
  if (problem.code === "replica_behind" || problem.code === "malformed_version") version = null;
  return problem;
}

/** What a GET tells. */
export async function get(path, query, options) {
  return (await send("GET", path, { query, ...options })).body;
}

/** What a POST tells. */
export async function post(path, json, options) {
  return (await send("POST", path, { json, ...options })).body;
}

/**
 * Send a file as it is, however large; the answer is that of `send`. `onProgress` gets the share that has left, from 0 to 1.
 * By XMLHttpRequest, since fetch does not tell what it has sent. Throws as `send` does.
 */
export function upload(path, file, { query, onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stopped = () => reject(new DOMException("the upload was stopped", "AbortError"));
    request.open("POST", address(path, query));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (bearer !== null) request.setRequestHeader("Authorization", `Bearer ${bearer}`);
    request.upload.addEventListener("progress", (event) => onProgress?.(event.total === 0 ? 1 : event.loaded / event.total));
    request.addEventListener("error", () => reject(new Problem(0, { code: "unreachable", detail: "the connection was lost" })));
    request.addEventListener("abort", stopped);
    request.addEventListener("load", () => {
      version = request.getResponseHeader("Dispatch-Version") ?? version;
      const told = readText(request.responseText, request.getResponseHeader("Content-Type") ?? "");
      if (request.status < 400) {
        resolve({ status: request.status, body: told, headers: headersOf(request) });
      } else {
        reject(problemOf(request.status, told));
      }
    });
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) stopped();
    else request.send(file);
  });
}

/** A path and its query. */
export function address(path, query) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") search.append(name, one);
    }
  }
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** A part of a path, whatever is in it. */
export function step(text) {
  return encodeURIComponent(text);
}

function headersOf(request) {
  const lines = request.getAllResponseHeaders().trim().split("\r\n").filter((line) => line.includes(":"));
  return new Headers(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
}

/** What an answer holds; null for JSON that is none. */
function readText(text, type) {
  if (!type.includes("json")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function read(answer) {
  if (answer.status === 204 || answer.status === 304) return null;
  const type = answer.headers.get("Content-Type") ?? "";
  try {
    return type.includes("json") ? await answer.json() : await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // It broke off: nobody knows what it would have said.
    throw new Problem(0, { code: "unreachable", detail: error.message });
  }
}
