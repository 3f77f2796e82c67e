/** An entity's page: every family of its metrics as charts, where its users are, and its days as a table. */

import { type ChartDay, type ChartQuestion, dataPath, getChart, getEntities } from "./api";
import { Chart, type ChartOptions, type Series } from "./charts";
import { csvOf, fileName } from "./csv";
import type { Range } from "./days";
import { append, fill, h, icon } from "./dom";
import { download } from "./download";
import { shownSteps } from "./format";
import { type Family, kFamilies, metricOf, mustMetric, toneOf, totalOf, valueOf, type Values } from "./metrics";
import { type Breakdown, type Row, sorted, unpack } from "./rows";
import { levelName, rounded } from "./home";
import { knownNames, type Page, type Shell } from "./shell";
import { kDailyMetrics, openWhy, valuesOfDay } from "./why";

interface Line {
  metric: string;
  colour: string;
  dashed?: boolean;
  bars?: boolean;
}
interface ChartPlan {
  title: string;
  lines: Line[];
  level?: number;
}

/** What is drawn, by family. */
const kCharts: Record<Family, ChartPlan[]> = {
  Money: [
    { title: "Spend and revenue", lines: [{ metric: "spend", colour: "--spend", bars: true }, { metric: "revenue", colour: "--revenue" },
                                          { metric: "revenue_estimated", colour: "--revenue-2", dashed: true }] },
    { title: "Profit", lines: [{ metric: "profit", colour: "--profit" }] },
    { title: "ROAS", lines: [{ metric: "roas", colour: "--roas" }], level: 1 },
    { title: "Paid so far", lines: [{ metric: "revenue_actual", colour: "--revenue" }, { metric: "refunds", colour: "--bad-line" }] },
  ],
  Volume: [
    { title: "Trials", lines: [{ metric: "trials", colour: "--ours" }, { metric: "meta_trials", colour: "--meta", dashed: true }] },
    { title: "Purchases", lines: [{ metric: "purchases", colour: "--ours" }, { metric: "meta_purchases", colour: "--meta", dashed: true }] },
    { title: "Impressions", lines: [{ metric: "impressions", colour: "--spend", bars: true }] },
    { title: "Clicks", lines: [{ metric: "clicks", colour: "--spend", bars: true }] },
  ],
  Conversion: [
    { title: "Clicks to trials", lines: [{ metric: "click_to_trial", colour: "--ours" }] },
    { title: "Trials and conversions, by day of the trial", lines: [{ metric: "trials", colour: "--ours" }, { metric: "converted", colour: "--revenue", bars: true }] },
  ],
  Accuracy: [
    { title: "Ours against Meta's", level: 1,
      lines: [{ metric: "trial_accuracy", colour: "--ours" }, { metric: "purchase_accuracy", colour: "--profit", dashed: true }] },
  ],
  Cost: [
    { title: "Cost per trial", lines: [{ metric: "cost_per_trial", colour: "--ours" }, { metric: "meta_cost_per_trial", colour: "--meta", dashed: true }] },
    { title: "Cost per purchase", lines: [{ metric: "cost_per_purchase", colour: "--ours" }, { metric: "meta_cost_per_purchase", colour: "--meta", dashed: true }] },
    { title: "Cost per click", lines: [{ metric: "cpc", colour: "--spend" }] },
    { title: "Cost per thousand impressions", lines: [{ metric: "cpm", colour: "--spend" }] },
  ],
};

/** What stands beside the heading of a family. */
const kFigures: Record<Family, string[]> = {
  Money: ["spend", "revenue", "profit", "roas", "revenue_actual", "refunds", "revenue_net"],
  Volume: ["impressions", "clicks", "trials", "meta_trials", "purchases", "meta_purchases"],
  Conversion: ["click_to_trial", "conversion", "conversion_estimated", "trial_refund", "purchase_refund"],
  Accuracy: ["trial_accuracy", "purchase_accuracy"],
  Cost: ["cost_per_trial", "cost_per_purchase", "meta_cost_per_trial", "cpc", "cpm"],
};

const kBreakdowns = ["country", "region", "device"] as const;
const kBreakdownColumns = ["spend", "revenue", "profit", "roas", "trials", "purchases"];
const kValuesShown = 8;
const kDailyColumns = kDailyMetrics.filter((id) => metricOf(id));
const kMarkMs = 12_000;

export class EntityPage implements Page {
  readonly root = h("div", { class: "entity" });
  private readonly heading = h("h1", { class: "entity-name", tabindex: -1 }, "…");
  private readonly sub = h("p", { class: "entity-sub" });
  private readonly problem = h("div", { class: "state-place" });
  private readonly body = h("div", { class: "families" });
  private readonly figures = new Map<string, HTMLElement[]>();
  private readonly charts: { plan: ChartPlan; chart: Chart }[] = [];
  private readonly breakdowns = new Map<Breakdown, HTMLElement>();
  private readonly daily = h("div", { class: "daily" });
  private days: ChartDay[] = [];
  private row: Row | undefined;
  private slices = new Map<Breakdown, Row[]>();
  private expanded = new Set<Breakdown>();
  private shownFor = "";
  private entityShown = "";
  private loads = 0;
  private marks = new Map<string, number>();
  private sweeper: number;

  constructor(private readonly shell: Shell) {
    for (const family of kFamilies) this.body.append(this.makeFamily(family));
    this.body.append(this.makeBreakdowns(), this.makeDaily());
    this.root.append(h("header", { class: "entity-head" },
      h("a", { class: "back", href: "/", "data-back": true }, icon("back"), "All campaigns"), this.heading, this.sub), this.problem, this.body);
    this.sweeper = window.setInterval(() => this.sweep(), 1_000);
  }

  close(): void {
    clearInterval(this.sweeper);
    for (const { chart } of this.charts) chart.destroy();
  }

  focusHeading(): void {
    this.heading.focus({ preventScroll: true });
  }

  async show(): Promise<void> {
    const { view, range } = this.shell;
    const wanted = JSON.stringify([view.entity, view.slice, range]);
    const back = this.root.querySelector<HTMLAnchorElement>(".back");
    if (back) back.href = this.shell.address({});
    if (wanted === this.shownFor) return;
    const entity = JSON.stringify(view.entity);
    if (entity !== this.entityShown) this.heading.textContent = knownNames.get(entity) ?? "…";
    this.entityShown = entity;
    this.shownFor = wanted;
    this.marks.clear();
    await this.load(false);
  }

  refresh(): Promise<string> {
    return this.load(true);
  }

  private question(): ChartQuestion {
    const { entity, slice } = this.shell.view;
    const asked: ChartQuestion = { type: entity?.type ?? "campaign", id: entity?.id ?? "" };
    return slice ? { ...asked, breakdown: slice.breakdown, value: slice.value } : asked;
  }

  private async load(live: boolean): Promise<string> {
    const number = ++this.loads;
    const { view, range } = this.shell;
    const { entity, slice } = view;
    if (!entity) return "";
    const stale = () => number !== this.loads;
    const busy = window.setTimeout(() => this.root.classList.add("busy"), live ? 5_000 : 200);
    try {
      const ask = (breakdown: Breakdown) => getEntities(dataPath({ range, level: entity.type, breakdown, entity: entity.id }));
      const [days, own, ...by] = await Promise.all([getChart(this.question(), range), ask("all"), ...kBreakdowns.map(ask)]);
      if (stale()) return "";
      const mine = (row: Row) => row.id === entity.id;
      const whole = unpack(own).find(mine);
      this.slices = new Map(kBreakdowns.map((breakdown, at) => {
        const packed = by[at];
        return [breakdown, packed ? unpack(packed).filter(mine) : []] as const;
      }));
      const before = this.row?.values;
      const row = slice ? this.slices.get(slice.breakdown)?.find((one) => one.value === slice.value) : whole;
      this.days = days;
      this.row = row;
      fill(this.problem);
      this.body.hidden = false;
      this.heading.textContent = whole?.name ?? `Unknown ${levelName(entity.type)} ${entity.id}`;
      document.title = `${this.heading.textContent} · admetricsd`;
      fill(this.sub, h("span", { class: "pill" }, levelName(entity.type)), h("span", { class: "id" }, entity.id),
        slice && h("span", { class: "pill accent" }, `${slice.breakdown}: ${slice.value} `,
          h("button", { type: "button", class: "pill-close", "aria-label": `Show every ${slice.breakdown}`, onclick: () => this.only(undefined) }, icon("close"))));
      const changed = live && before && row ? this.mark(before, row.values) : 0;
      if (!row && days.every((day) => day.is_inactive)) this.drawEmpty(range);
      else this.draw();
      return changed > 0 ? `${changed} numbers of ${this.heading.textContent} changed.` : "";
    } catch (error) {
      if (stale()) return "";
      if (live && this.days.length > 0) throw error;
      this.body.hidden = true;
      const text = error instanceof Error ? error.message : String(error);
      fill(this.problem, h("div", { class: "state", role: "alert" }, icon("warning"), h("h3", {}, "The numbers could not be loaded"),
        h("p", {}, text), h("button", { type: "button", class: "button primary", onclick: () => void this.load(false) }, "Try again")));
      if (live) throw error;
      return "";
    } finally {
      clearTimeout(busy);
      if (!stale()) this.root.classList.remove("busy");
    }
  }

  private only(slice: { breakdown: Exclude<Breakdown, "all">; value: string } | undefined): void {
    const { entity } = this.shell.view;
    if (entity) this.shell.go({ entity, ...(slice ? { slice } : {}) });
  }

  private drawEmpty(range: Range): void {
    this.body.hidden = true;
    fill(this.problem, h("div", { class: "state" }, h("h3", {}, "No rows in these days"),
      h("p", {}, `Nothing counts for it between ${this.shell.formats.range(range)}. Choose other days above.`),
      h("button", { type: "button", class: "button primary", onclick: () => this.shell.go({ ...this.stay(), days: { preset: 90 } }) }, "Show the last 90 days")));
  }

  private stay(): object {
    const { entity, slice } = this.shell.view;
    return { ...(entity ? { entity } : {}), ...(slice ? { slice } : {}) };
  }

  // --- Marks ---------------------------------------------------------------------------------------------------------------------------

  private mark(before: Values, after: Values): number {
    let count = 0;
    for (const id of this.figures.keys()) {
      const metric = mustMetric(id);
      const [was, is] = [shownSteps(metric.kind, valueOf(metric, before)), shownSteps(metric.kind, valueOf(metric, after))];
      if (was === is || (Number.isNaN(was) && Number.isNaN(is))) continue;
      ++count;
      this.marks.set(id, performance.now() + kMarkMs);
      const mark = is > was ? "up" : is < was ? "down" : "same";
      for (const element of this.figures.get(id) ?? []) {
        element.setAttribute("data-mark", mark);
        element.setAttribute("data-tone", toneOf(metric, mark));
      }
    }
    return count;
  }

  private sweep(): void {
    for (const [id, until] of this.marks) {
      if (until > performance.now()) continue;
      this.marks.delete(id);
      for (const element of this.figures.get(id) ?? []) element.removeAttribute("data-mark");
    }
  }

  // --- Drawing -------------------------------------------------------------------------------------------------------------------------

  private makeFamily(family: Family): HTMLElement {
    const id = `family-${family.toLowerCase()}`;
    const figures = h("dl", { class: "figures" }, ...kFigures[family].map((metric_id) => {
      const metric = mustMetric(metric_id);
      const value = h("button", { type: "button", class: "figure-value number", title: "Why this number?", "aria-haspopup": "dialog",
                                  onclick: () => this.why(metric_id) }, "–");
      const dd = h("dd", {}, value);
      this.figures.set(metric_id, [...(this.figures.get(metric_id) ?? []), dd]);
      return h("div", {}, h("dt", { title: metric.means }, metric.label), dd);
    }));
    const charts = h("div", { class: "charts" });
    for (const plan of kCharts[family]) {
      const chart = new Chart(this.chartOptions(plan));
      this.charts.push({ plan, chart });
      charts.append(chart.root);
    }
    return h("section", { class: "family", "aria-labelledby": id }, h("h2", { id }, family), figures, charts);
  }

  private chartOptions(plan: ChartPlan): ChartOptions {
    const values = this.days.map((day) => (day.is_inactive ? undefined : valuesOfDay(day)));
    const total = totalOf(values.filter((one): one is Values => one !== undefined));
    const options: ChartOptions = {
      title: plan.title, days: this.days.map((day) => day.date), formats: this.shell.formats, height: 190,
      series: plan.lines.map((line): Series => {
        const metric = mustMetric(line.metric);
        const nothing = metric.ratio ? Number.NaN : 0;
        const series: Series = { label: metric.label, kind: metric.kind, colour: line.colour,
                                 values: values.map((one) => (one ? valueOf(metric, one) : nothing)), total: valueOf(metric, total) };
        if (line.dashed) series.dashed = true;
        if (line.bars) series.bars = true;
        return series;
      }),
    };
    if (plan.level !== undefined) options.level = plan.level;
    return options;
  }

  private draw(): void {
    const { formats } = this.shell;
    for (const [id, elements] of this.figures) {
      const metric = mustMetric(id);
      const text = this.row ? formats.number(metric.kind, valueOf(metric, this.row.values)) : "–";
      for (const element of elements) {
        const button = element.querySelector("button");
        if (button && button.textContent !== text) button.textContent = text;
      }
    }
    for (const { plan, chart } of this.charts) chart.update(this.chartOptions(plan));
    for (const breakdown of kBreakdowns) this.drawBreakdown(breakdown);
    this.drawDaily();
  }

  private why(id: string): void {
    if (!this.row) return;
    const { formats, range, explains, view } = this.shell;
    const name = this.heading.textContent ?? "";
    openWhy({ metric: mustMetric(id), subject: view.slice ? `${name}, ${view.slice.breakdown} ${view.slice.value}` : name, range,
              values: this.row.values, entity: this.question(), formats, explains });
  }

  private makeBreakdowns(): HTMLElement {
    return h("section", { class: "family", "aria-labelledby": "family-breakdowns" },
      h("h2", { id: "family-breakdowns" }, "Where and on what"),
      h("div", { class: "slices" }, ...kBreakdowns.map((breakdown) => {
        const place = h("div", { class: "slice" });
        this.breakdowns.set(breakdown, place);
        return place;
      })));
  }

  private drawBreakdown(breakdown: Exclude<Breakdown, "all">): void {
    const place = this.breakdowns.get(breakdown);
    if (!place) return;
    const { formats, view } = this.shell;
    const rows = sorted(this.slices.get(breakdown) ?? [], { by: "spend", descending: true });
    const shown = this.expanded.has(breakdown) ? rows : rows.slice(0, kValuesShown);
    const title = breakdown.charAt(0).toUpperCase() + breakdown.slice(1);
    const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : null;
    fill(place, h("h3", {}, title), rows.length === 0 ? h("p", { class: "hint" }, "No rows in these days.")
      : h("div", { class: "plain-scroll", tabindex: 0, role: "region", "aria-label": `By ${breakdown}` }, h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), ...kBreakdownColumns.map((id) => h("th", { scope: "col", class: "end" }, mustMetric(id).label)))),
        h("tbody", {}, ...shown.map((row) => {
          const chosen = view.slice?.breakdown === breakdown && view.slice.value === row.value;
          return h("tr", chosen ? { class: "chosen" } : {},
            h("th", { scope: "row" }, h("button", {
              type: "button", class: "link", "aria-pressed": String(chosen), "data-focus": row.value ?? "",
              onclick: () => this.only(chosen ? undefined : { breakdown, value: row.value ?? "" }),
            }, row.value ?? "")),
            ...kBreakdownColumns.map((id) => {
              const metric = mustMetric(id);
              const value = valueOf(metric, row.values);
              return h("td", { class: value < 0 ? "number end negative" : "number end" }, formats.number(metric.kind, value));
            }));
        })))),
      rows.length > kValuesShown && h("button", { type: "button", class: "link more", "data-focus": "#more", onclick: () => {
        if (!this.expanded.delete(breakdown)) this.expanded.add(breakdown);
        this.drawBreakdown(breakdown);
      } }, this.expanded.has(breakdown) ? "Show fewer" : `Show all ${rows.length}`));
    if (focused !== null && focused !== undefined) place.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  private makeDaily(): HTMLElement {
    return h("section", { class: "family", "aria-labelledby": "family-days" },
      h("div", { class: "family-head" }, h("h2", { id: "family-days" }, "Day by day"),
        h("button", { type: "button", class: "button", onclick: () => this.saveCsv() }, icon("download"), "CSV")),
      this.daily);
  }

  private drawDaily(): void {
    const { formats, explains } = this.shell;
    const scroller = this.daily.firstElementChild;
    const [top, left] = [scroller?.scrollTop ?? 0, scroller?.scrollLeft ?? 0];
    const focused = this.daily.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : null;
    const body = h("tbody", {});
    for (const day of [...this.days].reverse()) {
      const values = valuesOfDay(day);
      const row = h("tr", day.is_inactive ? { class: "inactive" } : {}, h("th", { scope: "row" }, formats.day(day.date)));
      append(row, kDailyColumns.map((id) => {
        const metric = mustMetric(id);
        const value = valueOf(metric, values);
        const text = day.is_inactive ? "" : formats.number(metric.kind, value);
        const can = explains && !day.is_inactive;
        return h("td", { class: value < 0 ? "number end negative" : "number end" }, can ? h("button", {
          type: "button", class: "cell-button", title: "Why this number?", "data-focus": `${day.date} ${id}`, "aria-haspopup": "dialog",
          "aria-label": `${metric.label} ${text}, why?`, onclick: () => this.whyDay(id, day),
        }, text) : text);
      }));
      body.append(row);
    }
    fill(this.daily, h("div", { class: "plain-scroll tall", tabindex: 0, role: "region", "aria-label": "Every metric of each day" }, h("table", { class: "plain sticky" },
      h("caption", { class: "hidden" }, "Every metric, day by day"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Day"), ...kDailyColumns.map((id) => h("th", { scope: "col", class: "end", title: mustMetric(id).means }, mustMetric(id).label)))),
      body)));
    const now = this.daily.firstElementChild;
    if (now) {
      now.scrollTop = top;
      now.scrollLeft = left;
    }
    if (focused) this.daily.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  private whyDay(id: string, day: ChartDay): void {
    const { formats, explains } = this.shell;
    openWhy({ metric: mustMetric(id), subject: this.heading.textContent ?? "", range: { start: day.date, end: day.date }, values: valuesOfDay(day),
              entity: this.question(), formats, explains, day: day.date });
  }

  private saveCsv(): void {
    const { entity, slice } = this.shell.view;
    const { range } = this.shell;
    const header = ["level", "id", "name", ...(slice ? [slice.breakdown] : []), "date", ...kDailyColumns];
    const rows = this.days.map((day) => {
      const values = valuesOfDay(day);
      return [entity?.type ?? "", entity?.id ?? "", this.heading.textContent ?? "", ...(slice ? [slice.value] : []), day.date,
              ...kDailyColumns.map((id) => (day.is_inactive ? "" : rounded(valueOf(mustMetric(id), values))))];
    });
    download(fileName("admetricsd", this.heading.textContent ?? "entity", slice?.value ?? "", range.start, range.end), csvOf(header, rows));
  }
}
