// Imports: a file is checked, looked at, applied, and perhaps put back.

import { h, show } from "../lib/dom.js";
import { conflict, importAccount } from "./import_account.js";
import { importForm } from "./import_form.js";
import { importList } from "./import_list.js";
import { linkTo } from "./places.js";

export function importsView() {
  let wanted = null;
  const form = importForm({
    onBegun: (record) => {
      location.hash = linkTo("imports", record.import_id);
    },
    onConflict: (problem, query) => conflict(problem, query),
  });
  const list = importList();
  const account = importAccount({
    onMend: (field) => {
      wanted = field;
      location.hash = linkTo("imports");
    },
  });
  const start = h("div", { class: "columns" }, form.element, list.element);
  const element = h("section", { class: "view imports" }, start, account.element);

  return {
    element,
    enter({ what }) {
      show(start, what === null);
      show(account.element, what !== null);
      if (what !== null) {
        account.open(what);
        return;
      }
      account.close();
      list.refresh();
      if (wanted !== null) form.mend(wanted);
      wanted = null;
    },
    leave: account.close,
  };
}
