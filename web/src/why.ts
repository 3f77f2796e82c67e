/** "Why this number?": the formula with its numbers, the days or entities that make it up, and the raw rows behind a day. */

import { type ChartDay, type ChartQuestion, getChart, getJson, query } from "./api";
import { openDialog } from "./dialog";
import { append, fill, h, icon } from "./dom";
import type { Formats } from "./format";
import { kFields, kMetrics, type Metric, mustMetric, valueOf, type Values } from "./metrics";
import type { Range } from "./days";
import type { Row } from "./rows";

export interface Question {
  metric: Metric;
  /** What the number is of: "Brand US", "all campaigns". */
  subject: string;
  range: Range;
  values: Values;
  /** Where it can be followed day by day. */
  entity?: ChartQuestion;
  /** Or the entities that it adds up. */
  parts?: readonly Row[];
  formats: Formats;
  explains: boolean;
  /** A single day: its raw rows are shown at once. */
  day?: string;
}

/** A metric's column in the stored rows, where the explanation of one names it. */
const kStoredColumn: Record<string, string> = {
  spend: "meta_spend", impressions: "meta_impressions", clicks: "meta_clicks", meta_trials: "meta_trial_count",
  meta_purchases: "meta_purchase_count", trials: "trial_users_count", purchases: "purchase_users_count",
  revenue: "adjusted_estimated_revenue_usd", revenue_estimated: "estimated_revenue_usd", revenue_actual: "actual_revenue_usd",
  refunds: "actual_refunds_usd", revenue_net: "net_actual_revenue_usd", profit: "profit_usd", roas: "estimated_roas",
  conversion: "trial_conversion_rate_actual", conversion_estimated: "trial_conversion_rate_estimated",
  trial_refund: "trial_refund_rate_actual", trial_refund_estimated: "trial_refund_rate_estimated",
  purchase_refund: "purchase_refund_rate_actual", purchase_refund_estimated: "purchase_refund_rate_estimated",
  trial_accuracy: "trial_accuracy_ratio", purchase_accuracy: "purchase_accuracy_ratio", click_to_trial: "click_to_trial_rate",
  cost_per_trial: "mixpanel_cost_per_trial", cost_per_purchase: "mixpanel_cost_per_purchase",
  meta_cost_per_trial: "meta_cost_per_trial", meta_cost_per_purchase: "meta_cost_per_purchase",
};

const kPartsShown = 12;

/** A day of a chart as a row of the table has it. What the API does not tell by day stays 0. */
export function valuesOfDay(day: ChartDay): Values {
  const values = new Float64Array(kFields.length);
  const put = (field: (typeof kFields)[number], value: number) => { values[kFields.indexOf(field)] = value; };
  put("spend", day.daily_spend);
  put("impressions", day.daily_impressions);
  put("clicks", day.daily_clicks);
  put("mixpanel_trials_started", day.daily_mixpanel_trials);
  put("meta_trials_started", day.daily_meta_trials);
  put("mixpanel_purchases", day.daily_mixpanel_purchases);
  put("meta_purchases", day.daily_meta_purchases);
  put("trial_accuracy_ratio", day.daily_trial_accuracy);
  put("purchase_accuracy_ratio", day.daily_purchase_accuracy);
  put("click_to_trial_rate", day.daily_clicks === 0 ? 0 : day.daily_mixpanel_trials / day.daily_clicks);
  put("estimated_revenue_usd", day.daily_estimated_revenue);
  put("estimated_revenue_adjusted", day.daily_adjusted_revenue);
  put("actual_revenue_usd", day.daily_mixpanel_revenue);
  put("actual_refunds_usd", day.daily_mixpanel_refunds);
  put("net_actual_revenue_usd", day.daily_mixpanel_revenue - day.daily_mixpanel_refunds);
  put("profit", day.daily_profit);
  put("estimated_roas", day.daily_roas);
  put("converted_users_count", day.daily_mixpanel_conversions);
  return values;
}

/** Metrics that a day of a chart has. */
export const kDailyMetrics: readonly string[] = [
  "spend", "revenue", "profit", "roas", "revenue_estimated", "revenue_actual", "refunds", "revenue_net", "impressions", "clicks", "trials",
  "meta_trials", "purchases", "meta_purchases", "converted", "click_to_trial", "ctr", "trial_accuracy", "purchase_accuracy",
  "cost_per_trial", "cost_per_purchase", "meta_cost_per_trial", "meta_cost_per_purchase", "cpc", "cpm",
];

/** "Revenue $26,779.92 ÷ Spend $25,729.42 = 1.04": the pieces, or none where the number is a plain sum. */
export function formulaOf(metric: Metric, values: Values, formats: Formats): string {
  const of = (id: string) => {
    const part = mustMetric(id);
    return `${part.label} ${formats.number(part.kind, valueOf(part, values))}`;
  };
  const result = formats.number(metric.kind, valueOf(metric, values));
  if (metric.terms) return `${metric.terms.map((term, at) => (at === 0 ? "" : term.sign > 0 ? " + " : " − ") + of(term.id)).join("")} = ${result}`;
  if (metric.ratio) {
    return `${of(metric.ratio.part)} ÷ ${of(metric.ratio.whole)}${metric.ratio.times ? ` × ${metric.ratio.times.toLocaleString()}` : ""} = ${result}`;
  }
  if (metric.weight) return `Mean over the days, each weighed by its ${mustMetric(metric.weight).label.toLowerCase()} = ${result}`;
  if (metric.id === "impact") return `${of("spend")} × (${of("roas")}, at most 4)² = ${result}`;
  return "";
}

export function openWhy(question: Question): void {
  const { metric, formats, values } = question;
  const formula = formulaOf(metric, values, formats);
  const rest = h("div", { class: "why-rest" });
  const content = h("div", { class: "dialog-body" },
    h("p", { class: "why-subject" }, `${question.subject}, ${formats.range(question.range)}`),
    h("p", { class: "why-value number" }, formats.number(metric.kind, valueOf(metric, values))),
    h("p", {}, metric.means),
    formula && h("p", { class: "formula number" }, formula),
    rest);
  openDialog(`Why this number? ${metric.label}`, content, { wide: true });
  if (question.day !== undefined && question.entity) {
    void showRows(rest, question, question.day);
  } else if (question.entity && kDailyMetrics.includes(metric.id)) {
    void showDays(rest, question, question.entity);
  } else if (question.parts) {
    showParts(rest, question, question.parts);
  } else if (metric.weight || metric.ratio) {
    append(rest, [h("p", { class: "hint" }, "It is made of ratios over users, which are not told apart by day here.")]);
  }
}

function bar(share: number, negative: boolean): HTMLElement {
  const element = h("i", { class: negative ? "bar negative" : "bar" });
  element.style.width = `${Math.max(0, Math.min(100, share * 100)).toFixed(1)}%`;
  return h("span", { class: "bar-place", "aria-hidden": "true" }, element);
}

async function showDays(rest: HTMLElement, question: Question, entity: ChartQuestion): Promise<void> {
  const { metric, formats } = question;
  fill(rest, h("p", { class: "hint" }, "Loading the days…"));
  try {
    const days = await getChart(entity, question.range);
    const valued = days.map((day) => ({ day, value: valueOf(metric, valuesOfDay(day)) }));
    const most = Math.max(...valued.map((entry) => (Number.isFinite(entry.value) ? Math.abs(entry.value) : 0)), 1e-9);
    const place = h("div", { class: "raw-place" });
    const body = h("tbody", {}, ...valued.reverse().map(({ day, value }) => h("tr", {},
      h("th", { scope: "row" }, formats.dayLong(day.date)),
      h("td", { class: "number" }, day.is_inactive ? "no row" : formats.number(metric.kind, value)),
      h("td", { class: "bar-cell" }, Number.isFinite(value) && bar(Math.abs(value) / most, value < 0)),
      question.explains && h("td", {}, !day.is_inactive && h("button", {
        type: "button", class: "link", "aria-label": `Source rows of ${formats.dayLong(day.date)}`,
        onclick: () => { void showRows(place, question, day.date); place.scrollIntoView({ block: "nearest" }); },
      }, "Source rows")))));
    fill(rest, h("h3", {}, "Day by day"),
      h("div", { class: "why-scroll", tabindex: 0, role: "region", "aria-label": "Day by day" }, h("table", { class: "plain" },
        h("caption", { class: "hidden" }, `${metric.label} by day`),
        h("thead", { class: "hidden" }, h("tr", {}, h("th", { scope: "col" }, "Day"), h("th", { scope: "col" }, metric.label),
          h("th", { scope: "col" }, "Share"), question.explains && h("th", { scope: "col" }, "Source rows"))),
        body)),
      place);
  } catch (error) {
    fill(rest, h("p", { class: "problem", role: "alert" }, error instanceof Error ? error.message : String(error)));
  }
}

function showParts(rest: HTMLElement, question: Question, parts: readonly Row[]): void {
  const { metric, formats } = question;
  const valued = parts.map((row) => ({ row, value: valueOf(metric, row.values) })).filter((entry) => Number.isFinite(entry.value));
  valued.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const most = Math.abs(valued[0]?.value ?? 1) || 1;
  fill(rest, h("h3", {}, `Largest of the ${parts.length.toLocaleString()} behind it`), h("table", { class: "plain" },
    h("tbody", {}, ...valued.slice(0, kPartsShown).map(({ row, value }) => h("tr", {},
      h("th", { scope: "row" }, row.name), h("td", { class: "number" }, formats.number(metric.kind, value)),
      h("td", { class: "bar-cell" }, bar(Math.abs(value) / most, value < 0)))))),
    valued.length > kPartsShown && h("p", { class: "hint" }, `and ${(valued.length - kPartsShown).toLocaleString()} more`));
}

// --- The raw rows behind one stored row ------------------------------------------------------------------------------------------

interface RawRow {
  table: string;
  key: string;
  cells: Record<string, string>;
  gives: { column: string; amount?: string }[];
  note?: string;
}
interface Explained {
  agrees?: boolean;
  computed_at?: string;
  causes?: { cause: string; evidence: string }[];
  notes?: string[];
  users?: { distinct_id: string; lists?: string[]; rows: RawRow[]; rows_left_out?: number }[];
  users_left_out?: number;
  meta?: RawRow[];
  elsewhere?: unknown[];
  columns?: { column: string; formula: string; filled: string; expected: string; stored?: string; equal?: boolean }[];
}

const kUsersShown = 50;

async function showRows(place: HTMLElement, question: Question, day: string): Promise<void> {
  const { entity, formats, metric } = question;
  if (!entity) return;
  fill(place, h("p", { class: "hint" }, "Reading the source rows…"));
  try {
    const explained = await getJson<Explained>(query("/api/explain", {
      entity_type: entity.type, entity_id: entity.id, date: day,
      breakdown: entity.breakdown && `${entity.breakdown}=${entity.value ?? ""}`,
    }));
    const wanted = kStoredColumn[metric.id];
    const column = explained.columns?.find((one) => one.column === wanted || (metric.id === "trials" && one.column === "mixpanel_trial_count") ||
                                                    (metric.id === "purchases" && one.column === "mixpanel_purchase_count"));
    const users = explained.users ?? [];
    const meta = explained.meta ?? [];
    const usersLeftOut = (explained.users_left_out ?? 0) + Math.max(0, users.length - kUsersShown);
    const userCount = users.length + (explained.users_left_out ?? 0);
    fill(place,
      h("h3", {}, `Source rows of ${formats.dayLong(day)}`),
      h("p", { class: explained.agrees === false ? "problem" : "good" },
        explained.agrees === false ? "The stored row differs from what the source says now." : "The stored row agrees with the source."),
      column && h("p", { class: "formula number" }, `${column.column} = ${column.filled} = ${column.stored ?? column.expected}`),
      column && h("p", { class: "hint" }, column.formula),
      explained.computed_at && h("p", { class: "hint" }, `Last changed ${explained.computed_at} UTC.`,
        ...(explained.causes ?? []).map((cause) => ` ${cause.cause.replaceAll("_", " ")}: ${cause.evidence}.`)),
      ...(explained.notes ?? []).map((note) => h("p", { class: "hint" }, note)),
      meta.length > 0 && h("details", { open: true }, h("summary", {}, `${meta.length} ${meta.length === 1 ? "row" : "rows"} of Meta`), rawTable(meta)),
      h("details", { open: meta.length === 0 }, h("summary", {}, `${userCount.toLocaleString()} ${userCount === 1 ? "user" : "users"}`),
        ...users.slice(0, kUsersShown).map((user) => h("div", { class: "raw-user" },
          h("p", {}, h("strong", {}, user.distinct_id), " ", (user.lists ?? []).join(", ")), rawTable(user.rows),
          user.rows_left_out ? h("p", { class: "hint" }, `and ${user.rows_left_out.toLocaleString()} more rows`) : "")),
        usersLeftOut > 0 && h("p", { class: "hint" }, `and ${usersLeftOut.toLocaleString()} more: \`admetricsd explain\` lists all`)));
  } catch (error) {
    fill(place, h("p", { class: "problem", role: "alert" }, icon("warning"), error instanceof Error ? error.message : String(error)));
  }
}

function rawTable(rows: RawRow[]): HTMLElement {
  return h("div", { class: "why-scroll", tabindex: 0, role: "region", "aria-label": "Source rows" }, h("table", { class: "plain raw" },
    h("thead", {}, h("tr", {}, ...["Table", "Key", "Values", "Gives"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {},
      h("td", {}, row.table), h("td", {}, row.key),
      h("td", {}, Object.entries(row.cells).map(([name, value]) => `${name}=${value}`).join(" ")),
      h("td", {}, [...row.gives.map((gift) => gift.column + (gift.amount ? ` ${gift.amount}` : "")), row.note ?? ""].filter(Boolean).join(", ")))))));
}

/** Those that can be chosen as columns, by family. */
export function metricsOfFamily(family: string): readonly Metric[] {
  return kMetrics.filter((metric) => metric.family === family);
}
