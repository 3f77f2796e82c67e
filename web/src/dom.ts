/** Elements, built without markup in strings: nothing that comes from the daemon is ever read as HTML. */

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** h("button", {class: "quiet", "aria-label": "Close", onclick: close}, "×") */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as unknown as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element: Element, children: Child[]): void {
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child);
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

const kSvg = "http://www.w3.org/2000/svg";

export function svg(tag: string, props: Record<string, string | number> = {}, ...children: Element[]): SVGElement {
  const element = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

const kIcons: Record<string, string> = {
  chevron: "M6 3.5 10.5 8 6 12.5",
  back: "M10 3.5 5.5 8 10 12.5",
  columns: "M2.5 3.5h11v9h-11zM6.2 3.5v9M9.8 3.5v9",
  download: "M8 2.5v7M5 7l3 3 3-3M3 13h10",
  search: "M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4M10.2 10.2 13.5 13.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.5 12.5 8 5 12.5z",
  close: "M4 4l8 8M12 4l-8 8",
  keyboard: "M1.8 4h12.4v8H1.8zM4.3 6.5h.01M6.8 6.5h.01M9.3 6.5h.01M11.8 6.5h.01M5 9.5h6",
  warning: "M8 2.5 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1",
};

export function icon(name: keyof typeof kIcons & string): SVGElement {
  return svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", focusable: "false" },
             svg("path", { d: kIcons[name] ?? "" }));
}

/** A spark: one line with a dot at its end; gaps where there is no value. */
export function spark(values: readonly number[], width: number, height: number): SVGElement {
  const good = values.filter(Number.isFinite);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true", focusable: "false", width, height });
  if (good.length === 0) return root;
  // The shape, in its own range; but not so that a flat line looks wild.
  const high = Math.max(...good);
  const lowest = Math.min(...good);
  const low = lowest < 0 ? lowest : Math.max(0, lowest - (high - lowest || high) * 0.5);
  const span = high - low || 1;
  const pad = 3;
  const x = (index: number) => pad + (index * (width - 2 * pad)) / Math.max(1, values.length - 1);
  const y = (value: number) => height - pad - ((value - low) * (height - 2 * pad)) / span;
  let line = "";
  let pen = false;
  values.forEach((value, index) => {
    if (!Number.isFinite(value)) { pen = false; return; }
    line += `${pen ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
  });
  if (low < 0) root.append(svg("line", { x1: 0, x2: width, y1: y(0), y2: y(0), class: "spark-zero" }));
  root.append(svg("path", { d: line, class: "spark-line" }));
  const last = values.length - 1;
  const final = values[last];
  if (final !== undefined && Number.isFinite(final)) root.append(svg("circle", { cx: x(last), cy: y(final), r: 1.9, class: "spark-dot" }));
  return root;
}

let announcer: HTMLElement | undefined;

/** For those who listen: politely, the latest only. */
export function announce(text: string): void {
  announcer ??= document.getElementById("announcer") ?? undefined;
  if (announcer) announcer.textContent = text;
}
