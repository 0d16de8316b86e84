// A file to be checked: what it is, and what its columns do not say.

import { upload } from "../lib/api.js";
import { fill, h, show } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { problemNotice } from "../lib/parts.js";
import { icon } from "./icons.js";
import { fieldsOf } from "./import_fields.js";
import { t, words } from "./import_words.js";
import { heading } from "./pieces.js";
import { knows } from "../lib/words.js";

const KINDS = ["stores", "stock", "items"];
const NAMES = [["stock", /stock|inventory|库存|盘点/i], ["items", /item|sku|商品/i], ["stores", /store|shop|门店/i]];

/**
 * The form: `{element, begin, mend}`. `onBegun` gets the import that a file has begun. `mend(name)` leads to a field, with
 * the file of before still chosen, and tells whether there is one.
 */
export function importForm({ onBegun, onConflict }) {
  let file = null;
  let kind = "stores";
  let isKindChosen = false;
  let stop = null;

  const input = h("input", { type: "file", class: "for-readers", id: "import-file", onchange: () => choose(input.files[0]) });
  const dropped = h("span", { class: "drop-text" });
  const drop = h("label", { class: "drop", for: "import-file" }, icon("file"), dropped, input);
  const radios = KINDS.map((one) => h("input", {
    type: "radio", name: "kind", value: one, checked: one === kind, onchange: () => {
      isKindChosen = true;
      setKind(one);
    },
  }));
  const fields = fieldsOf();
  const notice = h("div", { class: "stack" });
  const button = h("button", { class: "primary", type: "submit" }, t("check"));
  const bar = h("progress", { max: "1", value: 0, "aria-label": t("progress") });
  const far = h("p", { class: "small", role: "status" });
  const sending = h("div", { class: "stack sending", hidden: true }, far, bar,
    h("button", { type: "button", onclick: () => stop?.abort() }, t("stop_sending")));
  const rest = h("fieldset", { class: "bare stack" },
    h("fieldset", { class: "kinds" }, h("legend", {}, t("what_is_it")),
      h("div", { class: "segments" }, KINDS.map((one, i) => h("label", {}, radios[i], h("span", {}, t(one)))))),
    fields.element);
  const form = h("form", { class: "card stack import-form", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    begin();
  } },
  heading(2, t("new_import")), h("p", { class: "soft" }, t("check_first")), drop, rest, notice,
  h("div", { class: "row" }, button), sending);

  for (const name of ["dragenter", "dragover"]) form.addEventListener(name, (event) => over(event, true));
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, (event) => over(event, false));
  form.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));
  setKind(kind);
  tellFile();

  function over(event, isOver) {
    event.preventDefault();
    drop.classList.toggle("over", isOver);
  }

  function choose(chosen) {
    if (!chosen || stop !== null) return;
    file = chosen;
    const guess = NAMES.find(([, pattern]) => pattern.test(chosen.name));
    if (!isKindChosen && guess) setKind(guess[0]);
    fill(notice);
    tellFile();
  }

  function tellFile() {
    drop.classList.toggle("chosen", file !== null);
    if (file === null) fill(dropped, h("strong", {}, t("drop_here")), h("span", { class: "small soft" }, t("drop_kinds")));
    else fill(dropped, h("strong", {}, file.name), h("span", { class: "small soft" }, `${sizeOf(file.size)} · ${t("other_file")}`));
  }

  function setKind(one) {
    kind = one;
    for (const radio of radios) radio.checked = radio.value === one;
    fields.setKind(one);
  }

  async function begin() {
    fill(notice);
    fields.clear();
    if (file === null) {
      fill(notice, h("div", { class: "notice", role: "alert" }, t("choose_file_first")));
      return input.focus();
    }
    const query = fields.read(kind);
    if (query === null) return undefined;
    stop = new AbortController();
    setSending(true);
    const name = file.name;
    tellShare(name, 0);
    try {
      const { body } = await upload(`/v1/imports/${kind}`, file, {
        query: { dry_run: "true", filename: name, ...query }, onProgress: (share) => tellShare(name, share), signal: stop.signal,
      });
      end();
      onBegun(body);
    } catch (problem) {
      // Before it is told: a field that is disabled cannot be sent the focus.
      end();
      if (problem.name !== "AbortError") tell(problem, query);
    }
    return undefined;
  }

  function end() {
    stop = null;
    setSending(false);
  }

  function tell(problem, query) {
    const rest = fields.tell(problem);
    if (rest === null) return;
    if (problem.status === 409 && knows(words, `conflict_${problem.code}`)) fill(notice, onConflict(problem, query));
    else fill(notice, problemNotice(problem));
  }

  function tellShare(name, share) {
    bar.value = share;
    far.textContent = share < 1 ? t("sending", { name, share: number(Math.floor(share * 100)) }) : t("sent_looking");
  }

  function setSending(isSending) {
    show(sending, isSending);
    show(button, !isSending);
    rest.disabled = isSending;
    input.disabled = isSending;
  }

  return {
    element: form,
    begin,
    mend(name) {
      if (file === null || !fields.lead(name)) {
        form.querySelector("h2").focus();
        return false;
      }
      return true;
    },
  };
}

function sizeOf(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)} MB`;
}
