/** Dialogs: the browser's own, so that focus, Escape and the backdrop are what a reader knows. */

import { h, icon } from "./dom";

export function openDialog(title: string, content: HTMLElement, options: { wide?: boolean; onClose?: () => void } = {}): HTMLDialogElement {
  const heading = h("h2", { id: "dialog-title", tabindex: -1 }, title);
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  const dialog = h("dialog", { class: options.wide ? "dialog wide" : "dialog", "aria-labelledby": "dialog-title" },
                   h("header", { class: "dialog-head" }, heading, close), content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    options.onClose?.();
  });
  // A click on the backdrop is one on the dialog itself.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  return dialog;
}

/** For the token, which may be typed wrong. Resolves with what was entered. */
export function askForToken(wrong: boolean): Promise<string> {
  return new Promise((resolve) => {
    const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
    let entered = "";
    const form = h("form", { method: "dialog", class: "token-form" },
      wrong && h("p", { class: "problem", role: "alert" }, "The daemon does not know that token."),
      h("p", {}, "This daemon asks for a token. It is kept for this tab only, and sent to this daemon only."),
      h("label", { for: "token" }, "Token"), input,
      h("p", { class: "hint" }, "It is the text in the file that http.token_file names in the daemon's configuration."),
      h("button", { type: "submit", class: "button primary" }, "Continue"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      entered = input.value.trim();
      if (entered) dialog.close();
    });
    const dialog = openDialog("A token, please", form, { onClose: () => resolve(entered || "-") });
    input.focus();
  });
}
