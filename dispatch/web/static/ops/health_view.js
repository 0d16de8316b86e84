// How the service does: each part with what to do when it does not. Read again by itself while it is looked at.

import { get, Problem } from "../lib/api.js";
import { common as said } from "../lib/common_words.js";
import { fill, h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { t } from "./health_words.js";
import { readMetrics } from "./metrics.js";
import { ago, heading, serviceSaid } from "./pieces.js";
import { linkTo } from "./places.js";
import { t as common } from "./words.js";

const EVERY_MS = 10_000;
const LATE_S = 2;
const MOST_PARTNERS = 8;
// A cell that is none: to have the checksums of all made every few seconds would be work for nothing.
const NO_CELL = "0";

export function healthView() {
  const verdict = h("p", { class: "verdict-head" });
  const read = h("p", { class: "small soft" });
  const body = h("div", { class: "health-parts" });
  const element = h("section", { class: "view health stack" }, heading(2, common("health")),
    h("div", { class: "card verdict", role: "status" }, verdict), body, read);
  let timer = null;
  let isShown = false;

  async function refresh() {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      const [ready, replica, uploads, metrics] = await Promise.all([
        readiness(), quietly(get("/v1/replica", { cell: NO_CELL })), quietly(get("/v1/uploads", { limit: 100 })),
        quietly(get("/metrics", {}, { accept: "text/plain" })),
      ]);
      draw(ready, replica, uploads?.uploads ?? null, metrics === null ? null : readMetrics(metrics));
    }
    clearTimeout(timer);
    if (isShown) timer = setTimeout(refresh, EVERY_MS);
  }

  function draw(ready, replica, uploads, metrics) {
    const parts = ready === null ? [] : [
      database(ready), copy(ready, replica), roads(ready), ...(uploads === null ? [] : [lateness(uploads)]),
    ];
    const isBad = ready === null || parts.some((part) => part.look === "bad");
    const isOdd = parts.some((part) => part.look === "warn");
    const text = ready === null ? t("gone") : isBad ? t("not_ready") : isOdd ? t("with_warnings") : t("all_well");
    // Read out only when it has changed.
    if (verdict.textContent !== text) verdict.textContent = text;
    verdict.parentElement.className = `card verdict is-${isBad ? "bad" : isOdd ? "odd" : "good"}`;
    read.textContent = t("refreshed", { time: new Date().toLocaleTimeString() });
    fill(body, ready === null ? h("p", { class: "card" }, t("gone_do")) : [parts.map(card), figures(metrics)]);
  }

  document.addEventListener("visibilitychange", () => isShown && document.visibilityState === "visible" && refresh());
  return {
    element,
    enter() {
      isShown = true;
      refresh();
    },
    leave() {
      isShown = false;
      clearTimeout(timer);
    },
  };
}

/** What /readyz says, also with 503; null of a service that is gone. */
async function readiness() {
  try {
    return await get("/readyz");
  } catch (problem) {
    return problem instanceof Problem && problem.body?.parts ? problem.body : null;
  }
}

async function quietly(asked) {
  try {
    return await asked;
  } catch {
    return null;
  }
}

function card({ name, look, text, todo, more }) {
  return h("section", { class: `card stack is-${look}` },
    h("div", { class: "row" }, heading(3, t(`part_${name}`)), h("span", { class: `end light light-${look}`, "aria-hidden": "true" })),
    h("p", {}, text), todo && h("p", { class: "notice small" }, todo), more);
}

function saying(text) {
  return h("p", { class: "small soft" }, serviceSaid(text));
}

function database({ parts }) {
  if (parts.database === "ok") return { name: "database", look: "good", text: t("database_ok") };
  return { name: "database", look: "bad", text: t("database_bad"), todo: t("database_do"), more: saying(parts.database) };
}

function copy({ parts, stores }, replica) {
  if (parts.replica !== "ok") {
    return { name: "replica", look: "bad", text: t("replica_bad"), todo: t("replica_do"), more: saying(parts.replica) };
  }
  const lag_s = replica?.replica_lag_s ?? 0;
  const text = t("replica_ok", { stores: number(stores), lag: said("seconds", { n: lag_s.toFixed(lag_s < 10 ? 2 : 0) }) });
  const more = h("p", { class: "small soft" }, t("checksums"));
  if (lag_s > LATE_S) return { name: "replica", look: "warn", text, todo: t("replica_late", { n: LATE_S }), more };
  return { name: "replica", look: "good", text, more };
}

function roads({ parts }) {
  const engine = /^by (.+)$/.exec(parts.roads)?.[1];
  if (engine) return { name: "roads", look: "good", text: t("roads_ok", { engine }) };
  if (parts.roads.startsWith("none configured")) return { name: "roads", look: "good", text: t("roads_none") };
  return { name: "roads", look: "warn", text: t("roads_down"), todo: t("roads_do"), more: saying(parts.roads) };
}

function lateness(uploads) {
  const late = uploads.filter((one) => one.late);
  const failed = uploads.flatMap((one) => ["stores", "stock"].map((kind) => [one[`last_${kind}_import`], kind]))
    .filter(([last]) => last?.status === "failed");
  const text = uploads.length === 0 ? t("uploads_none") : late.length === 0 ? t("uploads_ok")
    : late.length === 1 ? t("uploads_one_late") : t("uploads_late", { n: number(late.length) });
  const more = [
    h("ul", { class: "list" }, uploads.slice(0, MOST_PARTNERS).map(partner)),
    failed.map(([last, kind]) => h("p", { class: "small" }, t("import_failed", { kind: t(`kind_${kind}`) }), " ",
      h("a", { href: linkTo("imports", last.import_id) }, t("open_import")))),
    h("a", { href: "/uploads" }, t("see_uploads")),
  ];
  const look = late.length > 0 || failed.length > 0 ? "warn" : "good";
  return { name: "uploads", look, text, todo: late.length > 0 && t("uploads_do"), more };
}

function partner(one) {
  const stores = one.late ? t("partner_late", { late: number(one.stores_late), stores: number(one.stores) })
    : t("partner_fine", { stores: number(one.stores) });
  return h("li", { class: "row partner" }, h("strong", {}, one.partner), h("span", { class: one.late ? "tag bad" : "soft" }, stores),
    one.stores_never_counted > 0 && h("span", { class: "soft" }, t("never_counted", { n: number(one.stores_never_counted) })),
    h("span", { class: "end small soft" }, one.stock_due_at === null ? t("no_due") : t("due", { time: one.stock_due_at }),
      one.oldest_count && ` · ${t("oldest", { age: ago(one.oldest_count.counted_at) })}`));
}

function figures(metrics) {
  if (metrics === null) return null;
  const told = [["quotes", "lifecircle_quotes_total"], ["streams", "lifecircle_event_streams"],
    ["estimated", "lifecircle_roads_estimated_total"], ["failures", "lifecircle_roads_failures_total"]];
  return h("section", { class: "card stack" }, heading(3, t("figures")),
    h("dl", { class: "facts" }, told.filter(([, metric]) => metrics.has(metric))
      .map(([name, metric]) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, number(metrics.get(metric)))))),
    h("a", { href: "/metrics" }, t("metrics_all")));
}
