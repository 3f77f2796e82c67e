/**
 * Every number that the page shows: what it is called, where it comes from, what it means.
 *
 * A row is an array of numbers with a place for each entry of `kFields`, as the API gives them. A metric is one of these, or is
 * computed from them. Sums and means over rows are made here too, by the same rules as the daemon's own over days.
 */

import type { Kind } from "./format";

export const kFields = [
  "spend", "impressions", "clicks", "mixpanel_trials_started", "meta_trials_started", "mixpanel_purchases", "meta_purchases",
  "trial_accuracy_ratio", "purchase_accuracy_ratio", "trial_conversion_rate", "trial_conversion_rate_estimated",
  "avg_trial_refund_rate", "trial_refund_rate_estimated", "purchase_refund_rate", "purchase_refund_rate_estimated",
  "click_to_trial_rate", "estimated_revenue_usd", "estimated_revenue_adjusted", "actual_revenue_usd", "actual_refunds_usd",
  "net_actual_revenue_usd", "profit", "estimated_roas", "performance_impact_score", "post_trial_users_count", "converted_users_count",
] as const;
export type Field = (typeof kFields)[number];

/** What a day of an entity's trend has, as the API calls it. */
export const kTrendFields = ["rolling_1d_spend", "rolling_1d_revenue", "rolling_1d_trials", "rolling_1d_conversions"] as const;
export const kTrendDays = 14;

export type Values = Float64Array;

export const kFamilies = ["Money", "Volume", "Conversion", "Accuracy", "Cost"] as const;
export type Family = (typeof kFamilies)[number];

export interface Metric {
  id: string;
  label: string;
  family: Family;
  kind: Kind;
  /** One sentence for the reader. */
  means: string;
  /** The field that holds it, where the API gives it. */
  field?: Field;
  /** Part and whole, as ids: value = part × times / whole. */
  ratio?: { part: string; whole: string; times?: number };
  /** The metric that a mean over rows is weighed by. */
  weight?: string;
  /** a − b + …, as ids, for the explanation. */
  terms?: { id: string; sign: 1 | -1 }[];
  /** Whether more is good; decides only how a change is coloured. */
  good?: "more" | "less";
  usual?: boolean;
}

export const kMetrics: readonly Metric[] = [
  { id: "spend", label: "Spend", family: "Money", kind: "money", field: "spend", usual: true,
    means: "What Meta charged for the ads." },
  { id: "revenue", label: "Revenue", family: "Money", kind: "money", field: "estimated_revenue_adjusted", good: "more", usual: true,
    means: "Estimated revenue of the users who started here, scaled to the number of trials or purchases that Meta reports." },
  { id: "profit", label: "Profit", family: "Money", kind: "money", field: "profit", good: "more", usual: true,
    terms: [{ id: "revenue", sign: 1 }, { id: "spend", sign: -1 }],
    means: "Revenue less spend." },
  { id: "roas", label: "ROAS", family: "Money", kind: "ratio", field: "estimated_roas", good: "more", usual: true,
    ratio: { part: "revenue", whole: "spend" },
    means: "Return on ad spend: revenue for each dollar spent." },
  { id: "revenue_estimated", label: "Estimated revenue", family: "Money", kind: "money", field: "estimated_revenue_usd", good: "more",
    means: "Sum of the current value of every user who started here, before it is scaled to what Meta reports." },
  { id: "revenue_actual", label: "Actual revenue", family: "Money", kind: "money", field: "actual_revenue_usd", good: "more",
    means: "What the users who started here have paid so far." },
  { id: "refunds", label: "Refunds", family: "Money", kind: "money", field: "actual_refunds_usd", good: "less",
    means: "What was paid back to the users who started here." },
  { id: "revenue_net", label: "Net revenue", family: "Money", kind: "money", field: "net_actual_revenue_usd", good: "more",
    terms: [{ id: "revenue_actual", sign: 1 }, { id: "refunds", sign: -1 }],
    means: "Actual revenue less refunds." },
  { id: "impact", label: "Impact score", family: "Money", kind: "score", field: "performance_impact_score", good: "more",
    means: "Spend × ROAS², with ROAS counted up to 4: large and profitable entities first." },

  { id: "impressions", label: "Impressions", family: "Volume", kind: "count", field: "impressions",
    means: "How often Meta showed the ads." },
  { id: "clicks", label: "Clicks", family: "Volume", kind: "count", field: "clicks",
    means: "Clicks that Meta reports." },
  { id: "trials", label: "Trials", family: "Volume", kind: "count", field: "mixpanel_trials_started", good: "more", usual: true,
    means: "Attributed users who started a trial, each once, on the latest day." },
  { id: "meta_trials", label: "Trials (Meta)", family: "Volume", kind: "count", field: "meta_trials_started",
    means: "Trials that Meta reports." },
  { id: "purchases", label: "Purchases", family: "Volume", kind: "count", field: "mixpanel_purchases", good: "more", usual: true,
    means: "Attributed users who made a first purchase, each once, on the latest day." },
  { id: "meta_purchases", label: "Purchases (Meta)", family: "Volume", kind: "count", field: "meta_purchases",
    means: "Purchases that Meta reports." },
  { id: "post_trial", label: "Trials ended", family: "Volume", kind: "count", field: "post_trial_users_count",
    means: "Trial users whose trial is over." },
  { id: "converted", label: "Converted", family: "Volume", kind: "count", field: "converted_users_count", good: "more",
    means: "Users whose trial is over and who converted." },

  { id: "click_to_trial", label: "Click → trial", family: "Conversion", kind: "percent", field: "click_to_trial_rate", good: "more",
    ratio: { part: "trials", whole: "clicks" },
    means: "Trials for each click." },
  { id: "conversion", label: "Trial → paid", family: "Conversion", kind: "percent", field: "trial_conversion_rate", good: "more", usual: true,
    ratio: { part: "converted", whole: "post_trial" },
    means: "Share of the ended trials that converted." },
  { id: "conversion_estimated", label: "Trial → paid (est.)", family: "Conversion", kind: "percent",
    field: "trial_conversion_rate_estimated", weight: "trials", good: "more",
    means: "Mean of the conversion rate that is expected of each trial user." },
  { id: "trial_refund", label: "Trial refunds", family: "Conversion", kind: "percent", field: "avg_trial_refund_rate", weight: "converted",
    good: "less",
    means: "Share of the converted trials that were refunded." },
  { id: "trial_refund_estimated", label: "Trial refunds (est.)", family: "Conversion", kind: "percent",
    field: "trial_refund_rate_estimated", weight: "converted", good: "less",
    means: "Mean of the refund rate that is expected of each converted user." },
  { id: "purchase_refund", label: "Purchase refunds", family: "Conversion", kind: "percent", field: "purchase_refund_rate",
    weight: "purchases", good: "less",
    means: "Share of the purchases that were refunded." },
  { id: "purchase_refund_estimated", label: "Purchase refunds (est.)", family: "Conversion", kind: "percent",
    field: "purchase_refund_rate_estimated", weight: "purchases", good: "less",
    means: "Mean of the refund rate that is expected of each purchase." },
  { id: "ctr", label: "CTR", family: "Conversion", kind: "percent", ratio: { part: "clicks", whole: "impressions" }, good: "more",
    means: "Clicks for each impression." },

  { id: "trial_accuracy", label: "Trial accuracy", family: "Accuracy", kind: "percent", field: "trial_accuracy_ratio",
    ratio: { part: "trials", whole: "meta_trials" },
    means: "Our trials against Meta's; 100 % when both agree." },
  { id: "purchase_accuracy", label: "Purchase accuracy", family: "Accuracy", kind: "percent", field: "purchase_accuracy_ratio",
    ratio: { part: "purchases", whole: "meta_purchases" },
    means: "Our purchases against Meta's; 100 % when both agree." },

  { id: "cost_per_trial", label: "Cost / trial", family: "Cost", kind: "money", ratio: { part: "spend", whole: "trials" }, good: "less",
    usual: true,
    means: "Spend for each trial that we counted." },
  { id: "cost_per_purchase", label: "Cost / purchase", family: "Cost", kind: "money", ratio: { part: "spend", whole: "purchases" },
    good: "less",
    means: "Spend for each purchase that we counted." },
  { id: "meta_cost_per_trial", label: "Cost / trial (Meta)", family: "Cost", kind: "money", ratio: { part: "spend", whole: "meta_trials" },
    good: "less",
    means: "Spend for each trial that Meta reports." },
  { id: "meta_cost_per_purchase", label: "Cost / purchase (Meta)", family: "Cost", kind: "money",
    ratio: { part: "spend", whole: "meta_purchases" }, good: "less",
    means: "Spend for each purchase that Meta reports." },
  { id: "cpc", label: "CPC", family: "Cost", kind: "money", ratio: { part: "spend", whole: "clicks" }, good: "less",
    means: "Spend for each click." },
  { id: "cpm", label: "CPM", family: "Cost", kind: "money", ratio: { part: "spend", whole: "impressions", times: 1_000 }, good: "less",
    means: "Spend for a thousand impressions." },
];

const by_id = new Map(kMetrics.map((metric) => [metric.id, metric]));
const place_of = new Map<string, number>(kFields.map((field, place) => [field, place]));

export function metricOf(id: string): Metric | undefined {
  return by_id.get(id);
}

export function mustMetric(id: string): Metric {
  const metric = by_id.get(id);
  if (!metric) throw new Error(`no metric is called ${id}`);
  return metric;
}

export const kUsualColumns: readonly string[] = kMetrics.filter((metric) => metric.usual).map((metric) => metric.id);

/** NaN where there is nothing to divide by: the API says 0 there, and a reader would take that for a result. */
export function valueOf(metric: Metric, values: Values): number {
  if (metric.ratio) {
    const whole = valueOf(mustMetric(metric.ratio.whole), values);
    if (whole === 0 && !(metric.id === "trial_accuracy" && valueOf(mustMetric("trials"), values) > 0)) return Number.NaN;
    if (!metric.field) return (valueOf(mustMetric(metric.ratio.part), values) * (metric.ratio.times ?? 1)) / whole;
  } else if (metric.weight && valueOf(mustMetric(metric.weight), values) === 0) {
    return Number.NaN;
  }
  return metric.field ? values[place_of.get(metric.field) ?? 0] ?? 0 : Number.NaN;
}

const kRoasCap = 4;

/** Several rows as one: sums of what adds up, ratios of the sums, weighed means of the rest. */
export function totalOf(rows: Iterable<Values>): Values {
  const total = new Float64Array(kFields.length);
  const set = (field: Field, value: number) => { total[place_of.get(field) ?? 0] = value; };
  const all = [...rows];
  const sum = (metric: Metric): number => {
    const place = place_of.get(metric.field ?? "") ?? 0;
    let value = 0;
    for (const row of all) value += row[place] ?? 0;
    // Cents are exact; what is left of binary fractions must not show as a change.
    return metric.kind === "money" ? Math.round(value * 100) / 100 : value;
  };
  for (const metric of kMetrics) {
    if (metric.field && !metric.ratio && !metric.weight) set(metric.field, sum(metric));
  }
  for (const metric of kMetrics) {
    if (!metric.field) continue;
    if (metric.ratio) {
      const whole = valueOf(mustMetric(metric.ratio.whole), total);
      const part = valueOf(mustMetric(metric.ratio.part), total);
      set(metric.field, whole === 0 ? (metric.id === "trial_accuracy" && part > 0 ? 1 : 0) : part / whole);
    } else if (metric.weight) {
      const weight = mustMetric(metric.weight);
      let weighed = 0;
      let weights = 0;
      for (const row of all) {
        const of = valueOf(weight, row);
        if (of === 0) continue;
        weighed += valueOf(metric, row) * of;
        weights += of;
      }
      set(metric.field, weights === 0 ? 0 : weighed / weights);
    }
  }
  const spend = valueOf(mustMetric("spend"), total);
  const roas = spend === 0 ? 0 : valueOf(mustMetric("revenue"), total) / spend;
  set("performance_impact_score", spend * Math.min(roas, kRoasCap) ** 2);
  return total;
}

export type Mark = "up" | "down" | "same";
export type Tone = "good" | "bad" | "plain";

/** Whether a change is one to be glad of: more spend is neither good nor bad. */
export function toneOf(metric: Metric, mark: Mark): Tone {
  if (!metric.good || mark === "same") return "plain";
  return (mark === "up") === (metric.good === "more") ? "good" : "bad";
}

/** A row's trend: for each of `kTrendFields` the days, oldest first. */
export type Trend = Float64Array;

export interface TrendKind {
  id: string;
  label: string;
  kind: Kind;
  at(trend: Trend, day: number): number;
}

const trendAt = (trend: Trend, field: number, day: number): number => trend[field * kTrendDays + day] ?? 0;

export const kTrends: readonly TrendKind[] = [
  { id: "roas", label: "ROAS", kind: "ratio", at: (t, d) => (trendAt(t, 0, d) === 0 ? Number.NaN : trendAt(t, 1, d) / trendAt(t, 0, d)) },
  { id: "spend", label: "Spend", kind: "money", at: (t, d) => trendAt(t, 0, d) },
  { id: "revenue", label: "Revenue", kind: "money", at: (t, d) => trendAt(t, 1, d) },
  { id: "profit", label: "Profit", kind: "money", at: (t, d) => trendAt(t, 1, d) - trendAt(t, 0, d) },
  { id: "trials", label: "Trials", kind: "count", at: (t, d) => trendAt(t, 2, d) },
  { id: "purchases", label: "Purchases", kind: "count", at: (t, d) => trendAt(t, 3, d) },
];

export function trendOf(trend: Trend, kind: TrendKind): number[] {
  return Array.from({ length: kTrendDays }, (_, day) => kind.at(trend, day));
}

export function totalTrend(trends: Iterable<Trend>): Trend {
  const total = new Float64Array(kTrendFields.length * kTrendDays);
  for (const trend of trends) for (let i = 0; i < total.length; ++i) total[i] = (total[i] ?? 0) + (trend[i] ?? 0);
  return total;
}
