import assert from "node:assert/strict";
import { test } from "node:test";
import { kFields, kMetrics, kTrends, mustMetric, toneOf, totalOf, trendOf, valueOf, type Field } from "../src/metrics";
import { groupByValue, makeFilter, pack, type Row, sorted, unpack } from "../src/rows";

type Given = Partial<Record<Field, number>> & { name?: string; value?: string };

function rows(...given: Given[]): Row[] {
  return unpack(pack(given.map((one, at) => ({
    ...one, entity_id: `c${at}`, entity_type: "campaign" as const, name: one.name ?? `Campaign ${at}`,
    ...(one.value === undefined ? {} : { breakdown_key: one.value }),
    sparkline_data: Array.from({ length: 14 }, (_, day) => ({ rolling_1d_spend: day, rolling_1d_revenue: day * 2 })),
  }))));
}
const value = (row: Row | undefined, id: string) => valueOf(mustMetric(id), row?.values ?? new Float64Array(kFields.length));

test("metrics are called once, and made of metrics that exist", () => {
  assert.equal(new Set(kMetrics.map((metric) => metric.id)).size, kMetrics.length);
  for (const metric of kMetrics) {
    for (const id of [metric.ratio?.part, metric.ratio?.whole, metric.weight, ...(metric.terms ?? []).map((term) => term.id)]) if (id) mustMetric(id);
    assert.ok(metric.field ?? metric.ratio, metric.id);
  }
});

test("a division by zero has no value, but trials that Meta knows nothing of are accurate", () => {
  const [row] = rows({ spend: 0, estimated_revenue_adjusted: 5, mixpanel_trials_started: 2, trial_accuracy_ratio: 1 });
  assert.ok(Number.isNaN(value(row, "roas")));
  assert.ok(Number.isNaN(value(row, "cpc")));
  assert.equal(value(row, "trial_accuracy"), 1);
});

test("totals are sums, ratios of sums, and weighed means", () => {
  const all = rows(
    { spend: 10.1, estimated_revenue_adjusted: 20.2, estimated_roas: 2, mixpanel_trials_started: 1, trial_conversion_rate_estimated: 0.1, clicks: 10 },
    { spend: 0.2, estimated_revenue_adjusted: 0.1, estimated_roas: 0.5, mixpanel_trials_started: 3, trial_conversion_rate_estimated: 0.5, clicks: 30 });
  const total = totalOf(all.map((row) => row.values));
  assert.equal(valueOf(mustMetric("spend"), total), 10.3);
  assert.equal(valueOf(mustMetric("roas"), total).toFixed(6), (20.3 / 10.3).toFixed(6));
  assert.equal(valueOf(mustMetric("conversion_estimated"), total).toFixed(6), "0.400000");
  assert.equal(valueOf(mustMetric("click_to_trial"), total), 0.1);
  assert.equal(valueOf(mustMetric("impact"), total).toFixed(4), (10.3 * (20.3 / 10.3) ** 2).toFixed(4));
  assert.ok(Number.isNaN(valueOf(mustMetric("roas"), totalOf([]))));
});

test("values of a breakdown gather their entities", () => {
  const groups = groupByValue(rows({ spend: 1, value: "US" }, { spend: 2, value: "FR" }, { spend: 4, value: "US" }));
  assert.deepEqual(groups.map((group) => [group.row.name, value(group.row, "spend"), group.members.length]), [["US", 5, 2], ["FR", 2, 1]]);
  assert.equal(groups[0]?.row.trend[13], 26);
});

test("rows are ordered by a metric, what has no value last, equal ones by name", () => {
  const all = rows({ name: "b", spend: 1, estimated_revenue_adjusted: 1, estimated_roas: 1 }, { name: "none", spend: 0 },
                   { name: "a10", spend: 2, estimated_revenue_adjusted: 6, estimated_roas: 3 }, { name: "a9", spend: 2, estimated_revenue_adjusted: 2, estimated_roas: 1 });
  const names = (by: string, descending: boolean) => sorted(all, { by, descending }).map((row) => row.name);
  assert.deepEqual(names("roas", true), ["a10", "a9", "b", "none"]);
  assert.deepEqual(names("roas", false), ["a9", "b", "a10", "none"]);
  assert.deepEqual(names("name", false), ["a9", "a10", "b", "none"]);
  assert.equal(all[0]?.name, "b");
});

test("a filter has words and conditions", () => {
  const all = rows({ name: "US Brand", spend: 1500, estimated_revenue_adjusted: 750, estimated_roas: 0.5 }, { name: "FR brand", spend: 10, estimated_roas: 2 });
  const fit = (text: string) => all.filter(makeFilter(text)).map((row) => row.name);
  assert.deepEqual(fit(""), ["US Brand", "FR brand"]);
  assert.deepEqual(fit("BRAND us"), ["US Brand"]);
  assert.deepEqual(fit("c1"), ["FR brand"]);
  assert.deepEqual(fit("spend>=1.5k"), ["US Brand"]);
  assert.deepEqual(fit("roas<0.6 brand"), ["US Brand"]);
  assert.deepEqual(fit("roas<50%"), []);
  assert.deepEqual(fit("cost>3"), [], "no metric: a word");
  assert.deepEqual(fit("("), []);
});

test("a trend is fourteen days", () => {
  const [row] = rows({});
  const roas = trendOf(row?.trend ?? new Float64Array(0), kTrends[0] as (typeof kTrends)[number]);
  assert.equal(roas.length, 14);
  assert.ok(Number.isNaN(roas[0]), "nothing was spent on the first");
  assert.equal(roas[13], 2);
});

test("more cost is bad, more profit good, more spend neither", () => {
  assert.deepEqual(["cpc", "profit", "spend"].map((id) => toneOf(mustMetric(id), "up")), ["bad", "good", "plain"]);
});
