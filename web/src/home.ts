/** The first page: the overview, and the table of campaigns with what is below them. */

import { dataPath, getEntities, getOverview, type Overview } from "./api";
import { Chart, type ChartOptions } from "./charts";
import { openColumns } from "./columns";
import { csvOf, fileName } from "./csv";
import { previousRange } from "./days";
import { announce, fill, h, icon, spark } from "./dom";
import { download } from "./download";
import { kNothing, shownSteps } from "./format";
import { type Cell, Grid, type GridColumn, type GridLine } from "./grid";
import { kTrends, type Mark, metricOf, mustMetric, toneOf, type Trend, trendOf, type TrendKind, valueOf } from "./metrics";
import { groupByValue, type Level, makeFilter, type Row, sorted, totalRow, unpack } from "./rows";
import { knownNames, loadColumns, loadTrend, type Page, saveColumns, saveTrend, type Shell } from "./shell";
import { openWhy } from "./why";

interface Line extends GridLine {
  row?: Row;
}

const kLevelNames: Record<Level, { one: string; many: string; below?: Level }> = {
  campaign: { one: "campaign", many: "campaigns", below: "adset" },
  adset: { one: "ad set", many: "ad sets", below: "ad" },
  ad: { one: "ad", many: "ads" },
};
const kBreakdownNames = { all: "None", country: "Country", region: "Region", device: "Device" } as const;
const kMarkMs = 12_000;
const kChildrenAtOnce = 3;
const kWidths: Record<string, number> = { money: 122, count: 108, percent: 116, ratio: 92, score: 112 };

export function levelName(level: Level): string {
  return kLevelNames[level].one;
}

// --- Marks: what changed lately ---------------------------------------------------------------------------------------------------

class Marks {
  private readonly until = new Map<string, { way: Mark; at: number }>();

  set(place: string, way: Mark): void {
    this.until.set(place, { way, at: performance.now() + kMarkMs });
  }
  get(place: string): Mark | undefined {
    const mark = this.until.get(place);
    return mark && mark.at > performance.now() ? mark.way : undefined;
  }
  /** Forgets those that are over; whether any was. */
  sweep(): boolean {
    const now = performance.now();
    let any = false;
    for (const [place, mark] of this.until) {
      if (mark.at > now) continue;
      this.until.delete(place);
      any = true;
    }
    return any;
  }
  clear(): void {
    this.until.clear();
  }
}

// --- Overview ------------------------------------------------------------------------------------------------------------------------

interface TileParts {
  root: HTMLElement;
  value: HTMLElement;
  change: HTMLElement;
  chart: Chart;
  day: HTMLElement;
  shown: number;
}

const kTiles = [
  { id: "spend", colour: "--spend", day: (d: Overview["chart_data"][number]) => d.spend },
  { id: "revenue", colour: "--revenue", day: (d: Overview["chart_data"][number]) => d.revenue },
  { id: "profit", colour: "--profit", day: (d: Overview["chart_data"][number]) => d.profit },
  { id: "roas", colour: "--roas", day: (d: Overview["chart_data"][number]) => (d.spend === 0 ? Number.NaN : d.roas) },
] as const;

function tileValue(id: string, overview: Overview): number {
  const { total_spend: spend, total_revenue: revenue } = overview.summary;
  switch (id) {
    case "spend": return spend;
    case "revenue": return revenue;
    case "profit": return Math.round((revenue - spend) * 100) / 100;
    default: return spend === 0 ? Number.NaN : overview.summary.overall_roas;
  }
}

export class Home implements Page {
  readonly root: HTMLElement;
  private readonly tiles = new Map<string, TileParts>();
  private readonly minor = h("dl", { class: "minor" });
  private readonly tilesRoot = h("div", { class: "tiles" });
  private readonly grid: Grid<Line>;
  private readonly problem = h("div", { class: "state-place" });
  private readonly filterBox: HTMLInputElement;
  private readonly count = h("span", { class: "count", role: "status" });
  private readonly levelTabs = h("div", { class: "segments", role: "group", "aria-label": "Level" });
  private readonly breakdownTabs = h("div", { class: "segments", role: "group", "aria-label": "Breakdown" });
  private readonly explorer: HTMLElement;
  private readonly heading = h("h2", { id: "explorer-title" }, "Campaigns");

  private columns = loadColumns();
  private trend: TrendKind = kTrends.find((kind) => kind.id === loadTrend()) ?? (kTrends[0] as TrendKind);
  private readonly marks = new Marks();
  private overview: Overview | undefined;
  private before: Overview | undefined;
  private top: Row[] | undefined;
  private members = new Map<string, Row[]>();
  private open = new Set<string>();
  private children = new Map<string, Row[] | "loading" | Error>();
  private left = { page: 0, table: 0 };
  private shownFor = "";
  private loads = 0;
  private lines: Line[] = [];
  private totalLine: Line | undefined;
  private readonly trendNumbers = new WeakMap<Trend, number>();
  private trendNumber = 0;
  private sweeper: number;

  constructor(private readonly shell: Shell) {
    this.grid = new Grid<Line>({
      label: "Campaigns",
      cell: (line, column) => this.cell(line, column),
      onSort: (column) => this.sortBy(column),
      onToggle: (line, open) => void this.toggle(line, open),
      onCell: (line, column, event) => this.act(line, column, event),
    });
    for (const tile of kTiles) this.tiles.set(tile.id, this.makeTile(tile.id));
    this.tilesRoot.append(...[...this.tiles.values()].map((tile) => tile.root));
    this.filterBox = h("input", {
      id: "filter", type: "search", placeholder: "Filter: name, id, or roas<1", autocomplete: "off", spellcheck: "false",
      "aria-describedby": "filter-help", oninput: () => this.onFilter(),
    });
    const trend = h("select", { id: "trend", onchange: () => this.onTrend(trend.value) },
      ...kTrends.map((kind) => h("option", { value: kind.id, selected: kind.id === this.trend.id }, kind.label)));
    this.explorer = h("section", { class: "explorer", "aria-labelledby": "explorer-title" },
      h("div", { class: "explorer-head" }, this.heading, this.count,
        h("div", { class: "tabs" }, h("span", { class: "tabs-label" }, "Show"), this.levelTabs,
          h("span", { class: "tabs-label" }, "by"), this.breakdownTabs)),
      h("div", { class: "toolbar", role: "search" },
        h("label", { class: "filter" }, h("span", { class: "hidden" }, "Filter the table"), icon("search"), this.filterBox),
        h("span", { id: "filter-help", class: "hidden" },
          "Words are looked for in names and ids. Conditions such as roas<1 or spend>=1000 compare numbers."),
        h("label", { class: "trend-choice" }, h("span", {}, "Trend"), trend),
        h("button", { type: "button", class: "button", "aria-haspopup": "dialog", onclick: () => this.chooseColumns() }, icon("columns"), "Columns"),
        h("button", { type: "button", class: "button", onclick: () => this.saveCsv() }, icon("download"), "CSV")),
      this.grid.root, this.problem);
    this.root = h("div", { class: "home" },
      h("section", { class: "overview", "aria-labelledby": "overview-title" },
        h("h1", { id: "overview-title", class: "hidden" }, "Overview"), this.tilesRoot, this.minor),
      this.explorer);
    this.sweeper = window.setInterval(() => {
      if (!this.marks.sweep()) return;
      this.grid.redraw();
      this.markTiles();
    }, 1_000);
  }

  focusFilter(): void {
    this.filterBox.focus();
    this.filterBox.select();
  }

  leave(): void {
    this.left = { page: window.scrollY, table: this.grid.root.scrollTop };
  }

  enter(): void {
    window.scrollTo(0, this.left.page);
    this.grid.root.scrollTop = this.left.table;
    this.grid.refocus();
  }

  close(): void {
    clearInterval(this.sweeper);
    for (const tile of this.tiles.values()) tile.chart.destroy();
  }

  async show(): Promise<void> {
    const { view, range } = this.shell;
    if (document.activeElement !== this.filterBox) this.filterBox.value = view.filter;
    this.drawTabs();
    const wanted = JSON.stringify([range, view.level, view.breakdown]);
    if (wanted === this.shownFor) {
      this.drawTable();
      return;
    }
    this.marks.clear();
    if (!this.shownFor.includes(`"${view.level}","${view.breakdown}"`)) this.open.clear();
    this.shownFor = wanted;
    this.children.clear();
    await this.load(false);
  }

  async refresh(): Promise<string> {
    return this.load(true);
  }

  // --- Loading -------------------------------------------------------------------------------------------------------------------------

  private async load(live: boolean): Promise<string> {
    const number = ++this.loads;
    const { view, range } = this.shell;
    const stale = () => number !== this.loads;
    // Only what takes long looks like waiting.
    const busy = window.setTimeout(() => this.root.classList.add("busy"), live ? 5_000 : 200);
    this.root.setAttribute("aria-busy", String(!live));
    if (!live && !this.top) this.drawSkeleton();
    try {
      const [overview, before, packed] = await Promise.all([
        getOverview(range, "campaign"), getOverview(previousRange(range), "campaign"),
        getEntities(dataPath({ range, level: view.level, breakdown: view.breakdown })),
      ]);
      if (stale()) return "";
      const told = this.take(overview, before, unpack(packed), live);
      if (live || this.open.size > 0) await this.loadOpen(stale, live);
      return told;
    } catch (error) {
      if (stale()) return "";
      // What is on the screen stays there while the daemon is away; the badge says so.
      if (live && this.top) throw error;
      this.drawProblem(error);
      if (live) throw error;
      return "";
    } finally {
      clearTimeout(busy);
      if (!stale()) {
        this.root.classList.remove("busy");
        this.root.setAttribute("aria-busy", "false");
      }
    }
  }

  private take(overview: Overview, before: Overview, rows: Row[], live: boolean): string {
    const changed: string[] = [];
    this.overview = overview;
    this.before = before;
    for (const tile of kTiles) {
      const parts = this.tiles.get(tile.id);
      if (!parts) continue;
      const metric = mustMetric(tile.id);
      const now = shownSteps(metric.kind, tileValue(tile.id, overview));
      if (live && Number.isFinite(parts.shown) && now !== parts.shown) {
        this.marks.set(`tile ${tile.id}`, now > parts.shown ? "up" : "down");
        changed.push(`${metric.label} ${this.shell.formats.number(metric.kind, now)}`);
      }
      parts.shown = now;
    }
    const old = this.allRows();
    if (this.shell.view.breakdown === "all") {
      this.top = rows;
      this.members.clear();
    } else {
      const groups = groupByValue(rows);
      this.top = groups.map((group) => group.row);
      this.members = new Map(groups.map((group) => [group.row.key, group.members]));
    }
    let count = 0;
    if (live) for (const row of [...this.top, ...[...this.members.values()].flat()]) if (this.markRow(old.get(row.key), row)) ++count;
    fill(this.problem);
    this.drawOverview();
    this.drawTable();
    if (changed.length === 0 && count === 0) return "";
    return `${changed.join(", ")}${changed.length ? ". " : ""}${count} ${count === 1 ? "row" : "rows"} changed.`;
  }

  private allRows(): Map<string, Row> {
    const all = new Map<string, Row>();
    const lists = [this.top ?? [], ...this.members.values(), ...[...this.children.values()].filter(Array.isArray)];
    for (const list of lists) for (const row of list) all.set(row.key, row);
    return all;
  }

  private markRow(old: Row | undefined, row: Row): boolean {
    if (!old) {
      this.marks.set(`${row.key} name`, "same");
      return true;
    }
    let any = false;
    for (const id of this.columns) {
      const metric = metricOf(id);
      if (!metric) continue;
      const was = shownSteps(metric.kind, valueOf(metric, old.values));
      const is = shownSteps(metric.kind, valueOf(metric, row.values));
      if (was === is || (Number.isNaN(was) && Number.isNaN(is))) continue;
      this.marks.set(`${row.key} ${id}`, Number.isNaN(was) || Number.isNaN(is) ? "same" : is > was ? "up" : "down");
      any = true;
    }
    if (any) this.marks.set(`${row.key} name`, "same");
    return any;
  }

  /** The children of what is open, a few at a time. */
  private async loadOpen(stale: () => boolean, live: boolean): Promise<void> {
    const parents = [...this.allRows().values()].filter((row) => this.open.has(row.key) && row.type !== "value" && row.type !== "ad");
    const todo = [...parents];
    await Promise.all(Array.from({ length: kChildrenAtOnce }, async () => {
      for (let row = todo.shift(); row && !stale(); row = todo.shift()) await this.loadChildren(row, live, stale);
    }));
    if (!stale()) this.drawTable();
  }

  private async loadChildren(row: Row, live: boolean, stale: () => boolean): Promise<void> {
    const below = row.type === "value" ? undefined : kLevelNames[row.type].below;
    if (!below) return;
    const { view, range } = this.shell;
    try {
      const packed = await getEntities(dataPath({ range, level: below, breakdown: view.breakdown, parent: row.id }));
      if (stale()) return;
      const rows = unpack(packed).filter((child) => row.value === undefined || child.value === row.value);
      const old = this.children.get(row.key);
      if (live && Array.isArray(old)) {
        const known = new Map(old.map((one) => [one.key, one]));
        for (const child of rows) this.markRow(known.get(child.key), child);
      }
      this.children.set(row.key, rows);
    } catch (error) {
      if (!stale() && !Array.isArray(this.children.get(row.key))) this.children.set(row.key, error instanceof Error ? error : new Error(String(error)));
    }
  }

  // --- Overview ----------------------------------------------------------------------------------------------------------------------

  private makeTile(id: string): TileParts {
    const metric = mustMetric(id);
    const value = h("span", { class: "tile-value number" }, kNothing);
    const change = h("span", { class: "tile-change" });
    const day = h("span", { class: "tile-day number", "aria-hidden": "true" });
    const chart = new Chart(this.tileOptions(id));
    const root = h("section", { class: `tile tile-${id}`, "aria-label": metric.label },
      h("div", { class: "tile-head" }, h("h2", {}, metric.label), day),
      h("div", { class: "tile-body" },
        h("button", { type: "button", class: "tile-button", title: "Why this number?", "aria-haspopup": "dialog",
                      onclick: () => this.whyTotal(id) }, value, h("span", { class: "hidden" }, ", why this number?")),
        change),
      chart.root);
    return { root, value, change, chart, day, shown: Number.NaN };
  }

  private tileOptions(id: string): ChartOptions {
    const tile = kTiles.find((one) => one.id === id) ?? kTiles[0];
    const metric = mustMetric(id);
    const days = this.overview?.chart_data ?? [];
    const total = this.overview ? tileValue(id, this.overview) : Number.NaN;
    return {
      title: metric.label, days: days.map((day) => day.date), formats: this.shell.formats, height: 64, bare: true,
      series: [{ label: metric.label, kind: metric.kind, colour: tile.colour, values: days.map(tile.day), total }],
      onPoint: (index) => {
        const parts = this.tiles.get(id);
        const at = index === null ? undefined : days[index];
        if (!parts) return;
        parts.day.textContent = at ? `${this.shell.formats.day(at.date)}  ${this.shell.formats.number(metric.kind, tile.day(at))}` : "";
      },
    };
  }

  private drawOverview(): void {
    const { overview, before } = this;
    const { formats, range } = this.shell;
    if (!overview) return;
    this.tilesRoot.classList.remove("skeleton");
    for (const { id } of kTiles) {
      const parts = this.tiles.get(id);
      const metric = mustMetric(id);
      if (!parts) continue;
      const value = tileValue(id, overview);
      parts.value.textContent = formats.number(metric.kind, value);
      const was = before ? tileValue(id, before) : Number.NaN;
      const known = before?.chart_data.some((day) => !day.is_inactive) && Number.isFinite(was) && was !== 0 && Number.isFinite(value);
      const fraction = (value - was) / Math.abs(was);
      const good = !metric.good || fraction === 0 ? "" : (fraction > 0) === (metric.good === "more") ? "good" : "bad";
      fill(parts.change, known ? h("span", { class: `change ${good}` }, `${fraction > 0 ? "▲" : fraction < 0 ? "▼" : ""} ${formats.change(fraction)}`) : null,
           h("span", { class: "change-what" }, known ? ` vs ${formats.range(previousRange(range))}` : "nothing before to compare with"));
      parts.chart.update(this.tileOptions(id));
    }
    const total = this.top ? totalRow(this.top) : undefined;
    const show = ["impressions", "clicks", "trials", "purchases", "conversion", "cost_per_trial", "trial_accuracy"];
    fill(this.minor, ...(total ? show.map((id) => {
      const metric = mustMetric(id);
      return h("div", {}, h("dt", { title: metric.means }, metric.label),
               h("dd", { class: "number" }, formats.number(metric.kind, valueOf(metric, total.values))));
    }) : []));
    this.markTiles();
  }

  private markTiles(): void {
    for (const [id, parts] of this.tiles) {
      const mark = this.marks.get(`tile ${id}`);
      parts.root.toggleAttribute("data-mark", mark !== undefined);
      if (!mark) continue;
      parts.root.setAttribute("data-mark", mark);
      parts.root.setAttribute("data-tone", toneOf(mustMetric(id), mark));
    }
  }

  private whyTotal(id: string): void {
    if (!this.overview || !this.top) return;
    const { formats, range, explains, view } = this.shell;
    openWhy({ metric: mustMetric(id), subject: `All ${kLevelNames[view.level].many}`, range, values: totalRow(this.top).values,
              parts: this.top, formats, explains });
  }

  // --- Table -------------------------------------------------------------------------------------------------------------------------

  private drawTabs(): void {
    const { view } = this.shell;
    const choice = <T extends string>(root: HTMLElement, value: T, label: string, chosen: T, take: (value: T) => void) => {
      const known = root.querySelector<HTMLButtonElement>(`[data-value="${value}"]`);
      const button = known ?? h("button", { type: "button", "data-value": value, onclick: () => take(value) }, label);
      button.setAttribute("aria-pressed", String(value === chosen));
      if (!known) root.append(button);
    };
    for (const level of ["campaign", "adset", "ad"] as const) {
      choice(this.levelTabs, level, capital(kLevelNames[level].many), view.level, (chosen) => this.shell.go({ level: chosen }));
    }
    for (const breakdown of ["all", "country", "region", "device"] as const) {
      choice(this.breakdownTabs, breakdown, breakdown === "all" ? "No breakdown" : kBreakdownNames[breakdown], view.breakdown,
             (chosen) => this.shell.go({ breakdown: chosen }));
    }
    const many = capital(kLevelNames[view.level].many);
    this.heading.textContent = view.breakdown === "all" ? many : `${many} by ${view.breakdown}`;
    this.grid.root.setAttribute("aria-label", this.heading.textContent);
  }

  private drawSkeleton(): void {
    this.tilesRoot.classList.add("skeleton");
    fill(this.problem, h("div", { class: "state loading" }, h("span", { class: "spinner", "aria-hidden": "true" }), "Loading…"));
    this.grid.root.hidden = true;
  }

  private drawProblem(error: unknown): void {
    this.top = undefined;
    this.grid.root.hidden = true;
    this.tilesRoot.classList.remove("skeleton");
    const text = error instanceof Error ? error.message : String(error);
    fill(this.problem, h("div", { class: "state", role: "alert" }, icon("warning"), h("h3", {}, "The numbers could not be loaded"), h("p", {}, text),
      h("button", { type: "button", class: "button primary", onclick: () => void this.load(false) }, "Try again")));
  }

  private drawEmpty(): void {
    const { view, formats, range } = this.shell;
    const filtered = (this.top?.length ?? 0) > 0;
    this.grid.root.hidden = true;
    fill(this.problem, h("div", { class: "state" },
      h("h3", {}, filtered ? "Nothing fits the filter" : `No ${kLevelNames[view.level].many} in these days`),
      h("p", {}, filtered ? `None of the ${this.top?.length ?? 0} rows fits “${view.filter}”.`
                          : `Nothing was spent and nobody started between ${formats.range(range)}. Choose other days.`),
      filtered ? h("button", { type: "button", class: "button primary", onclick: () => this.clearFilter() }, "Clear the filter")
               : h("button", { type: "button", class: "button primary", onclick: () => this.shell.go({ days: { preset: 90 } }) }, "Show the last 90 days")));
  }

  private drawTable(): void {
    const { view } = this.shell;
    if (!this.top) return;
    const fits = makeFilter(view.filter);
    const rows = sorted(this.top.filter(fits), view.sort);
    const what = view.breakdown === "all" ? kLevelNames[view.level].many : "values";
    const one = view.breakdown === "all" ? kLevelNames[view.level].one : "value";
    const text = rows.length === this.top.length ? `${rows.length.toLocaleString()} ${rows.length === 1 ? one : what}`
                                                 : `${rows.length.toLocaleString()} of ${this.top.length.toLocaleString()} ${what}`;
    if (this.count.textContent !== text) this.count.textContent = text;
    if (rows.length === 0) return this.drawEmpty();
    fill(this.problem);
    this.grid.root.hidden = false;
    this.lines = [];
    this.addLines(rows, 0);
    this.totalLine = { key: "#total", depth: 0, place: rows.length + 1, siblings: rows.length + 1,
      row: { key: "#total", type: "value", id: "", name: `Total of ${rows.length.toLocaleString()} ${rows.length === 1 ? one : what}`, ...totalRow(rows) } };
    this.setGridColumns();
    this.grid.setSort(view.sort.by, view.sort.descending);
    this.grid.setLines(this.lines, this.totalLine);
  }

  private addLines(rows: Row[], depth: number): void {
    const { sort } = this.shell.view;
    rows.forEach((row, at) => {
      const parent = row.type !== "ad";
      const open = parent ? this.open.has(row.key) : undefined;
      this.lines.push({ key: row.key, depth, open, place: at + 1, siblings: rows.length, row });
      if (!open) return;
      const below = row.type === "value" ? this.members.get(row.key) : this.children.get(row.key);
      const note = (text: string, retry?: () => void) => {
        const line: Line = { key: `${row.key} note`, depth: depth + 1, place: 1, siblings: 1, note: text };
        if (retry) line.retry = retry;
        this.lines.push(line);
      };
      if (Array.isArray(below)) {
        if (below.length === 0) note(`No ${row.type === "campaign" ? "ad sets" : "ads"} of it have a row in these days.`);
        else this.addLines(sorted(below, sort), depth + 1);
      } else if (below instanceof Error) {
        note(below.message, () => void this.openRow(row));
      } else {
        note("Loading…");
      }
    });
  }

  private gridColumnsFor = "";
  private setGridColumns(): void {
    const narrow = matchMedia("(max-width: 640px)").matches;
    const key = JSON.stringify([this.columns, this.trend.id, narrow]);
    if (key === this.gridColumnsFor) return;
    this.gridColumnsFor = key;
    const columns: GridColumn[] = [
      { id: "name", label: "Name", width: narrow ? 176 : 300, align: "start", sortable: true },
      { id: "trend", label: `${this.trend.label}, 14 days`, hint: "The last 14 days of the range", width: 132, align: "start", sortable: false },
      ...this.columns.map((id): GridColumn => {
        const metric = mustMetric(id);
        return { id, label: metric.label, hint: metric.means, align: "end", sortable: true,
                 width: Math.max(kWidths[metric.kind] ?? 110, 44 + metric.label.length * 8) };
      }),
    ];
    this.grid.setColumns(columns);
  }

  private cell(line: Line, column: GridColumn): Cell {
    const { row } = line;
    if (!row) return { sign: "", draw: (cell) => fill(cell) };
    if (column.id === "name") {
      return { sign: `${row.name} ${String(line.open)} ${line.depth}`, draw: (cell) => this.drawName(cell, line, row), mark: this.marks.get(`${row.key} name`) };
    }
    if (column.id === "trend") {
      let number = this.trendNumbers.get(row.trend);
      if (number === undefined) this.trendNumbers.set(row.trend, (number = ++this.trendNumber));
      return { sign: String(number), draw: (cell) => this.drawTrend(cell, row) };
    }
    const metric = mustMetric(column.id);
    const value = valueOf(metric, row.values);
    const text = this.shell.formats.number(metric.kind, value);
    const negative = value < 0 ? "negative" : "";
    const mark = this.marks.get(`${row.key} ${column.id}`);
    return {
      sign: text + negative, mark, tone: mark && toneOf(metric, mark),
      draw: (cell) => {
        const known = cell.firstElementChild;
        if (!known) cell.append(h("span", { class: `number ${negative}`, title: "Why this number?" }, text));
        else {
          known.textContent = text;
          known.classList.toggle("negative", value < 0);
        }
      },
    };
  }

  private drawName(cell: HTMLElement, line: Line, row: Row): void {
    const below = row.type === "campaign" ? "ad sets" : row.type === "adset" ? "ads" : kLevelNames[this.shell.view.level].many;
    cell.style.setProperty("--depth", String(line.depth));
    const link = row.type === "value" ? h("span", { class: "name" }, row.name)
      : h("a", { class: "name", href: this.entityAddress(row), tabindex: -1, title: row.name }, row.name);
    const kind = row.type === "value" || row.type === this.shell.view.level ? "" : kLevelNames[row.type].one;
    fill(cell,
      line.open === undefined ? h("span", { class: "toggle-space" })
        : h("button", { type: "button", class: "toggle", tabindex: -1, "data-toggle": true, "aria-label": `${line.open ? "Close" : "Open"} ${below} of ${row.name}` },
            icon("chevron")),
      link, kind && h("span", { class: "kind" }, kind));
  }

  private entityAddress(row: Row): string {
    const { view } = this.shell;
    return this.shell.address(row.type === "value" ? {} : {
      entity: { type: row.type, id: row.id },
      ...(row.value !== undefined && view.breakdown !== "all" ? { slice: { breakdown: view.breakdown, value: row.value } } : {}),
    });
  }

  private drawTrend(cell: HTMLElement, row: Row): void {
    const values = trendOf(row.trend, this.trend);
    const { formats } = this.shell;
    const last = values[values.length - 1] ?? Number.NaN;
    fill(cell, values.some(Number.isFinite) ? spark(values, 108, 28) : h("span", { class: "spark-none", "aria-hidden": "true" }, kNothing), h("span", { class: "hidden" },
      `${this.trend.label} from ${formats.number(this.trend.kind, values[0] ?? Number.NaN)} to ${formats.number(this.trend.kind, last)}`));
  }

  private sortBy(column: GridColumn): void {
    const { sort } = this.shell.view;
    const descending = sort.by === column.id ? !sort.descending : column.id !== "name";
    this.shell.go({ sort: { by: column.id, descending } }, "replace");
    announce(`Sorted by ${column.label}, ${descending ? "largest" : "smallest"} first`);
  }

  private async toggle(line: Line, open: boolean): Promise<void> {
    const { row } = line;
    if (!row) return;
    if (!open) {
      this.open.delete(row.key);
      this.drawTable();
      return;
    }
    await this.openRow(row);
  }

  private async openRow(row: Row): Promise<void> {
    this.open.add(row.key);
    const number = this.loads;
    if (row.type !== "value" && !Array.isArray(this.children.get(row.key))) {
      this.children.set(row.key, "loading");
      // What comes at once needs no word of waiting.
      const wait = window.setTimeout(() => this.drawTable(), 120);
      await this.loadChildren(row, false, () => number !== this.loads);
      clearTimeout(wait);
    }
    this.drawTable();
    const below = row.type === "value" ? this.members.get(row.key) : this.children.get(row.key);
    if (Array.isArray(below)) announce(`${below.length} ${below.length === 1 ? "row" : "rows"} below ${row.name}`);
  }

  private act(line: Line, column: GridColumn, event: Event): void {
    const { row } = line;
    if (!row) return;
    if (column.id === "name" || column.id === "trend") {
      if (row.key === "#total") return;
      if (row.type === "value") {
        void this.toggle(line, !line.open);
        return;
      }
      // A click with a modifier, or on the link itself: the browser's or the shell's business.
      if (event instanceof MouseEvent && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
      if (event instanceof MouseEvent && column.id === "name" && !(event.target instanceof Element && event.target.closest("a"))) {
        if (line.open !== undefined) void this.toggle(line, !line.open);
        return;
      }
      event.preventDefault();
      knownNames.set(JSON.stringify({ type: row.type, id: row.id }), row.name);
      this.shell.go({ entity: { type: row.type, id: row.id },
        ...(row.value !== undefined && this.shell.view.breakdown !== "all" ? { slice: { breakdown: this.shell.view.breakdown, value: row.value } } : {}) });
      return;
    }
    this.why(row, column.id);
  }

  private why(row: Row, id: string): void {
    const { formats, range, explains, view } = this.shell;
    const metric = mustMetric(id);
    const base = { metric, subject: row.name, range, values: row.values, formats, explains };
    if (row.type === "value") {
      openWhy({ ...base, parts: row.key === "#total" ? this.lines.flatMap((line) => (line.depth === 0 && line.row ? [line.row] : [])) : this.members.get(row.key) ?? [] });
    } else {
      const slice = row.value !== undefined && view.breakdown !== "all" ? { breakdown: view.breakdown, value: row.value } : {};
      openWhy({ ...base, subject: row.value === undefined ? row.name : `${row.name}, ${view.breakdown} ${row.value}`,
                entity: { type: row.type, id: row.id, ...slice } });
    }
  }

  // --- Controls ----------------------------------------------------------------------------------------------------------------------

  private filterTimer = 0;
  private onFilter(): void {
    clearTimeout(this.filterTimer);
    this.filterTimer = window.setTimeout(() => {
      this.shell.go({ filter: this.filterBox.value }, "replace");
      this.grid.scrollToTop();
    }, 120);
  }

  private clearFilter(): void {
    this.filterBox.value = "";
    this.shell.go({ filter: "" }, "replace");
    this.filterBox.focus();
  }

  private onTrend(id: string): void {
    this.trend = kTrends.find((kind) => kind.id === id) ?? this.trend;
    saveTrend(this.trend.id);
    this.drawTable();
  }

  private chooseColumns(): void {
    openColumns(this.columns, (chosen) => {
      this.columns = chosen;
      saveColumns(chosen);
      this.drawTable();
    });
  }

  private saveCsv(): void {
    const { view, range } = this.shell;
    const shown = this.columns.map(mustMetric);
    const levels = view.breakdown === "all" ? [] : [view.breakdown];
    const header = ["level", "id", "name", ...levels, "start_date", "end_date", ...shown.map((metric) => metric.id)];
    const rows = this.lines.flatMap((line) => (line.row ? [line.row] : [])).map((row) => [
      row.type === "value" ? view.breakdown : row.type, row.type === "value" ? "" : row.id, row.type === "value" ? "" : row.name,
      ...levels.map(() => row.value ?? ""), range.start, range.end,
      ...shown.map((metric) => rounded(valueOf(metric, row.values))),
    ]);
    download(fileName("admetricsd", this.heading.textContent ?? "rows", range.start, range.end), csvOf(header, rows));
    announce(`${rows.length} rows saved as CSV`);
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Six places: more than is stored, less than a binary fraction's noise. */
export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
