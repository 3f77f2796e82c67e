/** Numbers and times as a reader sees them, in the reader's locale; money is always US dollars. */

import { millisOf, type Range } from "./days";

export type Kind = "money" | "count" | "percent" | "ratio" | "score";

export const kNothing = "–";

export interface Formats {
  number(kind: Kind, value: number): string;
  /** For tiles and axes: 12.3K, $1.2M. */
  short(kind: Kind, value: number): string;
  change(fraction: number): string;
  day(day: string): string;
  dayLong(day: string): string;
  range(range: Range): string;
  duration(seconds: number): string;
}

export function makeFormats(locale?: string): Formats {
  const usd = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" } as const;
  const cents = new Intl.NumberFormat(locale, usd);
  const dollars = new Intl.NumberFormat(locale, { ...usd, maximumFractionDigits: 0 });
  const shortMoney = new Intl.NumberFormat(locale, { ...usd, notation: "compact", maximumFractionDigits: 1, minimumFractionDigits: 0 });
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const shortCount = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const ratio = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const change = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
  const dayLong = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const dayYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

  const number = (kind: Kind, value: number): string => {
    if (!Number.isFinite(value)) return kNothing;
    const shown = value === 0 ? 0 : value;  // never -0
    switch (kind) {
      case "money": return (Math.abs(shown) >= 1_000_000 ? dollars : cents).format(shown);
      case "count": return whole.format(shown);
      case "percent": return percent.format(shown);
      case "ratio": return ratio.format(shown);
      case "score": return whole.format(shown);
    }
  };
  return {
    number,
    short: (kind, value) => {
      if (!Number.isFinite(value)) return kNothing;
      if (kind === "money") return Math.abs(value) < 10 && !Number.isInteger(value) ? cents.format(value) : shortMoney.format(value);
      if (kind === "count" || kind === "score") return shortCount.format(value);
      return number(kind, value);
    },
    // A profit of nearly nothing before makes percentages that nobody reads.
    change: (fraction) => (!Number.isFinite(fraction) ? kNothing : Math.abs(fraction) >= 10 ? `${whole.format(Math.abs(fraction))}×` : change.format(fraction)),
    day: (text) => day.format(millisOf(text)),
    dayLong: (text) => dayLong.format(millisOf(text)),
    range: ({ start, end }) => (start === end ? dayYear.format(millisOf(start)) : dayYear.formatRange(millisOf(start), millisOf(end))),
    duration: (seconds) => durationText(seconds),
  };
}

export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return kNothing;
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** What a number is told apart by: two values with the same shown text have the same. */
export function shownSteps(kind: Kind, value: number): number {
  if (!Number.isFinite(value)) return Number.NaN;
  switch (kind) {
    case "money": return Math.abs(value) >= 1_000_000 ? Math.round(value) : Math.round(value * 100) / 100;
    case "count":
    case "score": return Math.round(value);
    case "percent": return Math.round(value * 1_000);
    case "ratio": return Math.round(value * 100);
  }
}
