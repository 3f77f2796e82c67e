/** Which columns the table has. */

import { openDialog } from "./dialog";
import { h } from "./dom";
import { kFamilies, kMetrics, kUsualColumns } from "./metrics";
import { metricsOfFamily } from "./why";

/** Every change is taken at once: the table behind is the preview. Columns stand in the order of the list here. */
export function openColumns(chosen: readonly string[], take: (chosen: string[]) => void): void {
  const wanted = new Set(chosen);
  const boxes = new Map<string, HTMLInputElement>();
  const tell = () => take(kMetrics.map((metric) => metric.id).filter((id) => wanted.has(id)));
  const set = (ids: readonly string[]) => {
    wanted.clear();
    for (const id of ids) wanted.add(id);
    for (const [id, box] of boxes) box.checked = wanted.has(id);
    tell();
  };
  const families = kFamilies.map((family) => h("fieldset", {}, h("legend", {}, family), ...metricsOfFamily(family).map((metric) => {
    const box = h("input", { type: "checkbox", checked: wanted.has(metric.id), onchange: () => {
      if (box.checked) wanted.add(metric.id); else wanted.delete(metric.id);
      tell();
    } });
    boxes.set(metric.id, box);
    return h("label", { class: "check", title: metric.means }, box, metric.label);
  })));
  openDialog("Columns", h("div", { class: "dialog-body" },
    h("p", { class: "hint" }, "They are remembered in this browser."),
    h("div", { class: "column-families" }, ...families),
    h("div", { class: "dialog-actions" },
      h("button", { type: "button", class: "button", onclick: () => set(kUsualColumns) }, "Usual columns"),
      h("button", { type: "button", class: "button", onclick: () => set(kMetrics.map((metric) => metric.id)) }, "All"))), { wide: true });
}
