/** Charts over days. Each is a figure with a legend that follows the cursor, and a sentence for those who do not see it. */

import uPlot from "uplot";
import { h, fill } from "./dom";
import { millisOf } from "./days";
import type { Formats, Kind } from "./format";

export interface Series {
  label: string;
  kind: Kind;
  /** A custom property of the style sheet: "--spend". */
  colour: string;
  values: number[];
  /** What the legend says while no day is pointed at: a sum, or a ratio of sums. */
  total: number;
  dashed?: boolean;
  bars?: boolean;
}

export interface ChartOptions {
  title: string;
  days: string[];
  series: Series[];
  formats: Formats;
  height: number;
  /** A spark: no axes, no legend, the value in `onPoint` instead. */
  bare?: boolean;
  /** A line that means something, such as 100 %. */
  level?: number;
  onPoint?: (index: number | null) => void;
}

const kSecond = 1000;

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function faded(colour: string, share: number): string {
  return `color-mix(in srgb, ${colour} ${share}%, transparent)`;
}

export function sentence(options: ChartOptions): string {
  const { days, series, formats } = options;
  const parts = series.map((one) => {
    let high = -1;
    one.values.forEach((value, at) => { if (Number.isFinite(value) && (high < 0 || value > (one.values[high] ?? 0))) high = at; });
    if (high < 0) return `${one.label}: no data`;
    return `${one.label} ${formats.number(one.kind, one.total)}, highest ${formats.number(one.kind, one.values[high] ?? 0)} on ${formats.day(days[high] ?? "")}`;
  });
  const [first, last] = [days[0], days[days.length - 1]];
  return `${options.title}, ${first && last ? formats.range({ start: first, end: last }) : "no days"}: ${parts.join("; ")}.`;
}

export class Chart {
  readonly root: HTMLElement;
  private readonly place: HTMLElement;
  private readonly legend: HTMLElement;
  private plot: uPlot | undefined;
  private options: ChartOptions;
  private legendValues: HTMLElement[] = [];
  private legendDay: HTMLElement | undefined;
  private readonly observer: ResizeObserver;
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private readonly onScheme = () => this.build();

  constructor(options: ChartOptions) {
    this.options = options;
    this.place = h("div", { class: "plot", role: "img" });
    this.legend = h("div", { class: "legend", "aria-hidden": "true" });
    this.root = options.bare ? h("div", { class: "chart bare" }, this.place)
                             : h("figure", { class: "chart" }, h("figcaption", {}, options.title), this.legend, this.place);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.place);
    this.scheme.addEventListener("change", this.onScheme);
  }

  update(options: ChartOptions): void {
    const before = this.options;
    this.options = options;
    this.place.setAttribute("aria-label", sentence(options));
    const same = this.plot && before.series.length === options.series.length &&
                 before.series.every((one, at) => one.label === options.series[at]?.label && one.kind === options.series[at]?.kind);
    if (same && this.plot) {
      this.plot.setData(this.data());
      this.point(this.plot.cursor.idx ?? null);
    } else {
      this.build();
    }
  }

  destroy(): void {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.onScheme);
    this.plot?.destroy();
    this.plot = undefined;
  }

  private data(): uPlot.AlignedData {
    return [this.options.days.map((day) => millisOf(day) / kSecond),
            ...this.options.series.map((one) => one.values.map((value) => (Number.isFinite(value) ? value : null)))];
  }

  private fit(): void {
    const width = Math.floor(this.place.clientWidth);
    if (width <= 0) return;
    if (!this.plot) this.build();
    else if (this.plot.width !== width) this.plot.setSize({ width, height: this.options.height });
  }

  private build(): void {
    const { options } = this;
    const width = Math.floor(this.place.clientWidth);
    this.plot?.destroy();
    this.plot = undefined;
    this.place.setAttribute("aria-label", sentence(options));
    this.buildLegend();
    if (width <= 0) return;
    const ink = colourOf("--ink-3");
    const rule = colourOf("--rule");
    const kinds = [...new Set(options.series.map((one) => one.kind))];
    const scaleOf = (kind: Kind) => `y-${kind}`;
    const scales: uPlot.Scales = { x: { time: true } };
    for (const kind of kinds) {
      scales[scaleOf(kind)] = {
        range: (_plot, low, high) => {
          const bottom = Math.min(0, low ?? 0);
          const top = Math.max(high ?? 1, options.level ?? -Infinity, bottom === 0 ? 1e-9 : 0);
          const room = (top - bottom) * 0.08;
          return [bottom < 0 ? bottom - room : 0, top + room];
        },
      };
    }
    const axis = (kind: Kind, side: number): uPlot.Axis => ({
      scale: scaleOf(kind), side, size: 58, stroke: ink, font: "11px system-ui, sans-serif", gap: 6,
      grid: { show: side === 3, stroke: rule, width: 1 }, ticks: { show: false },
      space: 34,
      values: (_plot, splits) => splits.map((value) => options.formats.short(kind, value)),
    });
    const firstKind = kinds[0] ?? "count";
    const config: uPlot.Options = {
      width, height: options.height, scales, legend: { show: false },
      tzDate: (seconds) => new Date((seconds + new Date(seconds * kSecond).getTimezoneOffset() * 60) * kSecond),
      padding: options.bare ? [4, 4, 4, 4] : [10, kinds.length > 1 ? 0 : 26, 0, 0],
      cursor: {
        y: false, drag: { x: false, y: false, setScale: false }, sync: { key: "days", scales: ["x", null] },
        points: { size: options.bare ? 7 : 8 },
      },
      axes: options.bare ? [{ show: false }, { show: false, scale: scaleOf(firstKind) }] : [
        { stroke: ink, font: "11px system-ui, sans-serif", grid: { show: false }, ticks: { show: false }, size: 26, space: 64,
          values: (_plot, splits) => splits.map((value) => options.formats.day(new Date(value * kSecond).toISOString().slice(0, 10))),
          incrs: [1, 2, 3, 7, 14, 28, 56, 112].map((days) => days * 86_400) },
        axis(firstKind, 3),
        ...(kinds[1] ? [axis(kinds[1], 1)] : []),
      ],
      series: [{}, ...options.series.map((one): uPlot.Series => {
        const colour = colourOf(one.colour);
        const series: uPlot.Series = {
          label: one.label, scale: scaleOf(one.kind), stroke: colour, width: options.bare ? 1.75 : 2,
          points: { show: one.values.filter(Number.isFinite).length === 1, size: 6, fill: colour },
          spanGaps: false,
        };
        if (one.dashed) series.dash = [5, 4];
        if (options.bare) series.fill = faded(colour, 12);
        if (one.bars && uPlot.paths.bars) {
          series.paths = uPlot.paths.bars({ size: [0.62, 28], radius: 0.15 });
          series.fill = faded(colour, 34);
          series.width = 0;
          series.points = { show: false };
        }
        return series;
      })],
      hooks: {
        setCursor: [(plot) => this.point(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? plot.cursor.idx ?? null : null)],
        draw: [(plot) => this.drawLevels(plot, scaleOf(firstKind), rule, ink)],
      },
    };
    this.plot = new uPlot(config, this.data(), this.place);
  }

  /** The zero line where values go below it, and the level that the options name. */
  private drawLevels(plot: uPlot, scale: string, rule: string, ink: string): void {
    const low = plot.scales[scale]?.min ?? 0;
    const line = (value: number, colour: string, dash: number[]) => {
      const y = Math.round(plot.valToPos(value, scale, true)) + 0.5;
      plot.ctx.save();
      plot.ctx.strokeStyle = colour;
      plot.ctx.setLineDash(dash);
      plot.ctx.lineWidth = devicePixelRatio;
      plot.ctx.beginPath();
      plot.ctx.moveTo(plot.bbox.left, y);
      plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
      plot.ctx.stroke();
      plot.ctx.restore();
    };
    if (low < 0) line(0, this.options.bare ? rule : ink, []);
    if (this.options.level !== undefined) line(this.options.level, ink, [3, 4]);
  }

  private buildLegend(): void {
    if (this.options.bare) return;
    this.legendDay = h("span", { class: "legend-day" });
    this.legendValues = [];
    fill(this.legend, ...this.options.series.map((one) => {
      const value = h("strong", { class: "number" });
      this.legendValues.push(value);
      const swatch = h("i", { class: one.dashed ? "swatch dashed" : "swatch" });
      swatch.style.setProperty("--colour", `var(${one.colour})`);
      return h("span", { class: "legend-item" }, swatch, one.label, " ", value);
    }), this.legendDay);
    this.point(null);
  }

  private point(index: number | null): void {
    const { options } = this;
    options.onPoint?.(index);
    if (options.bare) return;
    options.series.forEach((one, at) => {
      const place = this.legendValues[at];
      const text = options.formats.number(one.kind, index === null ? one.total : one.values[index] ?? Number.NaN);
      if (place && place.textContent !== text) place.textContent = text;
    });
    if (this.legendDay) this.legendDay.textContent = index === null ? "all days" : options.formats.dayLong(options.days[index] ?? "");
  }
}
