/**
 * Grid: a tree of rows as a table, of which only the lines on the screen exist.
 *
 * Thousands of rows cost what some thirty do. Lines have one height; a line keeps its element while it is on the screen, and a
 * cell is written only where its text changed. Follows the pattern "treegrid" with focus on cells: one cell is in the tab order,
 * arrows move it, and it stays with its row when the rows are put in another order.
 */

import { fill, h } from "./dom";

export interface GridColumn {
  id: string;
  label: string;
  hint?: string;
  width: number;
  align: "start" | "end";
  sortable: boolean;
}

export interface GridLine {
  key: string;
  depth: number;
  /** undefined: it has no children. */
  open?: boolean | undefined;
  /** Its place among its siblings, from 1, and their number. */
  place: number;
  siblings: number;
  /** Instead of cells: what goes on here, or what went wrong. */
  note?: string;
  retry?: () => void;
}

export interface Cell {
  /** Equal signs: nothing to draw. */
  sign: string;
  draw(cell: HTMLElement): void;
  mark?: "up" | "down" | "same" | undefined;
  tone?: "good" | "bad" | "plain" | undefined;
}

export interface GridHost<Line extends GridLine> {
  label: string;
  cell(line: Line, column: GridColumn): Cell;
  onSort(column: GridColumn): void;
  onToggle(line: Line, open: boolean): void;
  /** Enter or a click on a cell. */
  onCell(line: Line, column: GridColumn, event: Event): void;
}

interface LineElements {
  note: boolean;
  root: HTMLElement;
  cells: HTMLElement[];
  signs: string[];
}

const kHeader = "#header";
const kTotal = "#total";
const kOverscan = 6;
const kSpareMax = 80;

export class Grid<Line extends GridLine> {
  readonly root: HTMLElement;
  private readonly head: HTMLElement;
  private readonly body: HTMLElement;
  private readonly foot: HTMLElement;
  private columns: GridColumn[] = [];
  private sort = { by: "", descending: false };
  private lines: Line[] = [];
  private total: Line | undefined;
  private places = new Map<string, number>();
  private shown = new Map<string, LineElements>();
  private spare: LineElements[] = [];  // left the screen; the next line to come in takes them
  private headCells: HTMLElement[] = [];
  private active = { key: kHeader, column: 0 };
  private lineHeight = 40;
  private frame = 0;

  constructor(private readonly host: GridHost<Line>) {
    this.head = h("div", { role: "rowgroup", class: "grid-head" });
    this.body = h("div", { role: "rowgroup", class: "grid-body" });
    this.foot = h("div", { role: "rowgroup", class: "grid-foot" });
    this.root = h("div", { role: "treegrid", class: "grid", "aria-label": host.label }, this.head, this.body, this.foot);
    this.root.addEventListener("scroll", () => this.later(), { passive: true });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("click", (event) => this.onClick(event));
    this.root.addEventListener("focusin", (event) => this.onFocus(event));
    new ResizeObserver(() => this.later()).observe(this.root);
  }

  setColumns(columns: GridColumn[]): void {
    this.columns = columns;
    this.root.setAttribute("aria-colcount", String(columns.length));
    this.root.style.setProperty("--columns", columns.map((column, at) => (at === 0 ? `minmax(${column.width}px, 1fr)` : `${column.width}px`)).join(" "));
    this.root.style.setProperty("--width", `${columns.reduce((sum, column) => sum + column.width, 0)}px`);
    this.headCells = columns.map((column, at) => h("div", {
      role: "columnheader", class: `cell head-cell ${column.align}`, "aria-colindex": at + 1, tabindex: -1, title: column.hint,
      "data-column": at,
    }, h("span", { class: "head-label" }, column.label), column.sortable && h("span", { class: "sort-mark", "aria-hidden": "true" })));
    fill(this.head, h("div", { role: "row", class: "line head-line", "aria-rowindex": 1 }, ...this.headCells));
    this.active.column = Math.min(this.active.column, columns.length - 1);
    this.forget();
    this.drawSort();
    this.later();
  }

  setSort(by: string, descending: boolean): void {
    this.sort = { by, descending };
    this.drawSort();
  }

  setLines(lines: Line[], total?: Line): void {
    this.lines = lines;
    this.total = total;
    this.places = new Map(lines.map((line, at) => [line.key, at]));
    if (!this.isKnown(this.active.key)) this.active.key = kHeader;
    this.root.setAttribute("aria-rowcount", String(lines.length + 1 + (total ? 1 : 0)));
    this.lineHeight = Number.parseFloat(getComputedStyle(this.root).getPropertyValue("--line")) || 40;
    this.body.style.height = `${lines.length * this.lineHeight}px`;
    this.draw();
  }

  /** Draws what changed in the lines as they are. */
  redraw(): void {
    this.draw();
  }

  scrollToTop(): void {
    this.root.scrollTop = 0;
  }

  /** The focus, to the cell that had it last. */
  refocus(): void {
    this.focus(this.active.key, this.active.column);
  }

  // --- Drawing -------------------------------------------------------------------------------------------------------------

  private later(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private forget(): void {
    for (const line of this.shown.values()) line.root.remove();
    this.shown.clear();
    this.spare = [];
    this.foot.replaceChildren();
  }

  private drawSort(): void {
    this.headCells.forEach((cell, at) => {
      const column = this.columns[at];
      if (!column?.sortable) return;
      cell.setAttribute("aria-sort", column.id !== this.sort.by ? "none" : this.sort.descending ? "descending" : "ascending");
    });
  }

  private draw(): void {
    const height = this.lineHeight;
    const from = Math.max(0, Math.floor(this.root.scrollTop / height) - kOverscan);
    const to = Math.min(this.lines.length, Math.ceil((this.root.scrollTop + this.root.clientHeight) / height) + kOverscan);
    const wanted = new Set<string>();
    for (let at = from; at < to; ++at) wanted.add(this.lines[at]?.key ?? "");
    // The focused cell stays, so that the focus does.
    const active = this.places.get(this.active.key);
    if (active !== undefined && (active < from || active >= to) && this.root.contains(document.activeElement)) {
      const key = this.active.key;
      const others = [...wanted];
      wanted.clear();
      for (const one of active < from ? [key, ...others] : [...others, key]) wanted.add(one);
    }
    for (const [key, line] of this.shown) {
      if (wanted.has(key) || key === kTotal) continue;
      this.shown.delete(key);
      if (line.note) line.root.remove(); else this.spare.push(line);
    }
    const inOrder: HTMLElement[] = [];
    for (const key of wanted) {
      const at = this.places.get(key);
      const line = at === undefined ? undefined : this.lines[at];
      if (at === undefined || !line) continue;
      const elements = this.drawLine(key, line, at + 2);
      const top = `${at * height}px`;
      if (elements.root.style.top !== top) elements.root.style.top = top;
      inOrder.push(elements.root);
    }
    this.arrange(inOrder);
    for (const line of this.spare) line.root.remove();
    this.spare.length = Math.min(this.spare.length, kSpareMax);
    if (this.total) {
      const elements = this.drawLine(kTotal, this.total, this.lines.length + 2);
      if (elements.root.parentNode !== this.foot) this.foot.append(elements.root);
    } else {
      this.foot.replaceChildren();
      this.shown.delete(kTotal);
    }
    this.drawTabStop();
  }

  /** What is read aloud is in the order of the elements. The one with the focus is not moved: it would lose it. */
  private arrange(inOrder: HTMLElement[]): void {
    let next = this.body.firstChild;
    for (const root of inOrder) {
      if (root !== next && root.contains(document.activeElement)) {
        while (next && next !== root) {
          const after: ChildNode | null = next.nextSibling;
          this.body.append(next);
          next = after;
        }
      }
      if (root === next) next = next.nextSibling;
      else this.body.insertBefore(root, next);
    }
  }

  private drawLine(key: string, line: Line, rowIndex: number): LineElements {
    let elements = this.shown.get(key);
    if (!elements || (line.note !== undefined) !== elements.note) {
      elements?.root.remove();
      elements = (line.note === undefined && key !== kTotal ? this.spare.pop() : undefined) ?? this.makeLine(line);
      this.shown.set(key, elements);
    }
    const { root, cells, signs } = elements;
    setAttribute(root, "aria-rowindex", String(rowIndex));
    setAttribute(root, "aria-level", String(line.depth + 1));
    setAttribute(root, "aria-posinset", String(line.place));
    setAttribute(root, "aria-setsize", String(line.siblings));
    setAttribute(root, "aria-expanded", line.open === undefined ? undefined : String(line.open));
    setAttribute(root, "data-depth", String(line.depth));
    if (line.note !== undefined) {
      const cell = cells[0];
      if (cell && signs[0] !== line.note) {
        fill(cell, h("span", { class: line.retry ? "note bad" : "note" }, line.note),
             line.retry && h("button", { type: "button", class: "link", tabindex: -1, onclick: () => line.retry?.() }, "Try again"));
        signs[0] = line.note;
      }
      return elements;
    }
    this.columns.forEach((column, at) => {
      const cell = cells[at];
      if (!cell) return;
      const content = this.host.cell(line, column);
      if (signs[at] !== content.sign) {
        content.draw(cell);
        signs[at] = content.sign;
      }
      setAttribute(cell, "data-mark", content.mark);
      setAttribute(cell, "data-tone", content.mark && content.tone);
    });
    return elements;
  }

  private makeLine(line: Line): LineElements {
    const root = h("div", { role: "row", class: line.note === undefined ? "line" : "line note-line" });
    const cells = line.note !== undefined
      ? [h("div", { role: "gridcell", class: "cell note-cell", "aria-colindex": 1, "aria-colspan": this.columns.length, tabindex: -1 })]
      : this.columns.map((column, at) => h("div", {
          role: at === 0 ? "rowheader" : "gridcell", class: `cell ${column.align} ${at === 0 ? "name-cell" : ""}`,
          "aria-colindex": at + 1, tabindex: -1,
        }));
    root.append(...cells);
    return { note: line.note !== undefined, root, cells, signs: [] };
  }

  // --- Focus ---------------------------------------------------------------------------------------------------------------

  private isKnown(key: string): boolean {
    return key === kHeader || (key === kTotal ? this.total !== undefined : this.places.has(key));
  }

  private cellOf(key: string, column: number): HTMLElement | undefined {
    if (key === kHeader) return this.headCells[column];
    const cells = this.shown.get(key)?.cells;
    return cells?.[Math.min(column, cells.length - 1)];
  }

  private drawTabStop(): void {
    let stop = this.cellOf(this.active.key, this.active.column);
    // The active line is not on the screen: the header is where the way in begins.
    stop ??= this.headCells[0];
    if (stop === this.tabStop) return;
    if (this.tabStop) this.tabStop.tabIndex = -1;
    if (stop) stop.tabIndex = 0;
    this.tabStop = stop;
  }
  private tabStop: HTMLElement | undefined;

  private focus(key: string, column: number): void {
    this.active = { key, column };
    const at = this.places.get(key);
    if (at !== undefined) {
      const top = at * this.lineHeight;
      const space = this.root.clientHeight - this.head.offsetHeight - this.foot.offsetHeight - this.lineHeight;
      if (top < this.root.scrollTop) this.root.scrollTop = top;
      else if (top > this.root.scrollTop + space) this.root.scrollTop = top - Math.max(0, space);
    }
    this.root.focus({ preventScroll: true });
    this.draw();
    const cell = this.cellOf(key, column) ?? this.makeVisible(key, column);
    cell?.focus({ preventScroll: true });
    this.scrollSideways(cell, column);
  }

  private makeVisible(key: string, column: number): HTMLElement | undefined {
    const at = this.places.get(key);
    const line = at === undefined ? undefined : this.lines[at];
    if (at === undefined || !line) return undefined;
    const elements = this.drawLine(key, line, at + 2);
    elements.root.style.top = `${at * this.lineHeight}px`;
    if (elements.root.parentNode !== this.body) this.body.append(elements.root);
    this.drawTabStop();
    return this.cellOf(key, column);
  }

  private scrollSideways(cell: HTMLElement | undefined, column: number): void {
    if (!cell || column === 0) {
      this.root.scrollLeft = 0;
      return;
    }
    const pinned = this.headCells[0]?.offsetWidth ?? 0;
    const left = cell.offsetLeft - pinned;
    const right = cell.offsetLeft + cell.offsetWidth - this.root.clientWidth;
    if (left < this.root.scrollLeft) this.root.scrollLeft = left;
    else if (right > this.root.scrollLeft) this.root.scrollLeft = right;
  }

  private find(target: EventTarget | null): { key: string; column: number; line?: Line } | undefined {
    const cell = target instanceof Element ? target.closest<HTMLElement>(".cell") : null;
    if (!cell) return undefined;
    const head = this.headCells.indexOf(cell);
    if (head >= 0) return { key: kHeader, column: head };
    for (const [key, elements] of this.shown) {
      const column = elements.cells.indexOf(cell);
      if (column < 0) continue;
      const line = key === kTotal ? this.total : this.lines[this.places.get(key) ?? -1];
      return line ? { key, column, line } : { key, column };
    }
    return undefined;
  }

  private onFocus(event: FocusEvent): void {
    const found = this.find(event.target);
    if (!found) return;
    this.active = { key: found.key, column: found.column };
    this.drawTabStop();
  }

  private onClick(event: MouseEvent): void {
    const found = this.find(event.target);
    const column = found && this.columns[found.column];
    if (!found || !column) return;
    if (found.key === kHeader) {
      if (column.sortable) this.host.onSort(column);
      return;
    }
    if (!found.line || found.line.note !== undefined) return;
    if (event.target instanceof Element && event.target.closest("[data-toggle]")) {
      this.host.onToggle(found.line, !found.line.open);
      return;
    }
    this.host.onCell(found.line, column, event);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey) return;
    const { key, column } = this.active;
    const last = this.columns.length - 1;
    const keys = [kHeader, ...this.lines.map((line) => line.key), ...(this.total ? [kTotal] : [])];
    const row = key === kHeader ? 0 : key === kTotal ? keys.length - 1 : (this.places.get(key) ?? -1) + 1;
    const line = key === kTotal ? this.total : this.lines[this.places.get(key) ?? -1];
    const page = Math.max(1, Math.floor((this.root.clientHeight - this.head.offsetHeight) / this.lineHeight) - 2);
    const toRow = (to: number) => this.focus(keys[Math.max(0, Math.min(keys.length - 1, to))] ?? kHeader, column);
    switch (event.key) {
      case "ArrowDown": toRow(row + 1); break;
      case "ArrowUp": toRow(row - 1); break;
      case "PageDown": toRow(row + page); break;
      case "PageUp": toRow(row - page); break;
      case "ArrowRight":
        if (column === 0 && line?.open === false) this.host.onToggle(line, true);
        else this.focus(key, Math.min(last, column + 1));
        break;
      case "ArrowLeft":
        if (column === 0 && line?.open === true) this.host.onToggle(line, false);
        else if (column === 0 && line && line.depth > 0) this.focusParent(line);
        else this.focus(key, Math.max(0, column - 1));
        break;
      case "Home": if (event.ctrlKey) this.focus(keys[1] ?? kHeader, 0); else this.focus(key, 0); break;
      case "End": if (event.ctrlKey) this.focus(keys[keys.length - 1] ?? kHeader, last); else this.focus(key, last); break;
      case " ":
        if (column === 0 && line?.open !== undefined) {
          this.host.onToggle(line, !line.open);
          break;
        }
        this.act(line, column, event);
        break;
      case "Enter": this.act(line, column, event); break;
      default: return;
    }
    event.preventDefault();
  }

  private act(line: Line | undefined, at: number, event: Event): void {
    const column = this.columns[at];
    if (!column) return;
    if (this.active.key === kHeader) {
      if (column.sortable) this.host.onSort(column);
    } else if (line?.retry) {
      line.retry();
    } else if (line && line.note === undefined) {
      this.host.onCell(line, column, event);
    }
  }

  private focusParent(line: Line): void {
    for (let at = (this.places.get(line.key) ?? 0) - 1; at >= 0; --at) {
      const above = this.lines[at];
      if (above && above.depth < line.depth) return this.focus(above.key, 0);
    }
  }
}

function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}
