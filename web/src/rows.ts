/** Rows of the table: where they come from, how they are filtered and put in order. */

import { kFields, kTrendDays, kTrendFields, metricOf, totalOf, totalTrend, valueOf, type Trend, type Values } from "./metrics";

export type Level = "campaign" | "adset" | "ad";
export type Breakdown = "all" | "country" | "region" | "device";

export interface Row {
  key: string;
  /** "value": a breakdown's value over all entities. */
  type: Level | "value";
  id: string;
  name: string;
  /** The breakdown's value that the row is limited to. */
  value?: string;
  values: Values;
  trend: Trend;
}

/** The API's entities as flat numbers, so that a worker hands them over without a copy. */
export interface Packed {
  types: Level[];
  ids: string[];
  names: string[];
  breakdownValues: (string | undefined)[];
  numbers: Float64Array;
  trends: Float64Array;
}

const kTrendSize = kTrendDays * kTrendFields.length;

interface ApiEntity {
  [field: string]: unknown;
  entity_id: string;
  entity_type: Level;
  name: string;
  breakdown_key?: string;
  sparkline_data?: Record<string, number>[];
}

export function pack(entities: ApiEntity[]): Packed {
  const packed: Packed = {
    types: [], ids: [], names: [], breakdownValues: [],
    numbers: new Float64Array(entities.length * kFields.length),
    trends: new Float64Array(entities.length * kTrendSize),
  };
  entities.forEach((entity, at) => {
    packed.types.push(entity.entity_type);
    packed.ids.push(entity.entity_id);
    packed.names.push(entity.name);
    packed.breakdownValues.push(entity.breakdown_key);
    kFields.forEach((field, place) => {
      const value = entity[field];
      packed.numbers[at * kFields.length + place] = typeof value === "number" ? value : 0;
    });
    (entity.sparkline_data ?? []).slice(-kTrendDays).forEach((day, index) => {
      kTrendFields.forEach((field, place) => {
        packed.trends[at * kTrendSize + place * kTrendDays + index] = day[field] ?? 0;
      });
    });
  });
  return packed;
}

export function keyOf(type: Row["type"], id: string, value?: string): string {
  return value === undefined ? `${type}:${id}` : `${type}:${id}@${value}`;
}

export function unpack(packed: Packed): Row[] {
  return packed.ids.map((id, at) => {
    const type = packed.types[at] ?? "campaign";
    const value = packed.breakdownValues[at];
    const row: Row = {
      key: keyOf(type, id, value), type, id, name: packed.names[at] ?? id,
      values: packed.numbers.subarray(at * kFields.length, (at + 1) * kFields.length),
      trend: packed.trends.subarray(at * kTrendSize, (at + 1) * kTrendSize),
    };
    if (value !== undefined) row.value = value;
    return row;
  });
}

export interface ValueGroup {
  row: Row;
  members: Row[];
}

/** One row for each value of a breakdown, with the entities that it is made of. */
export function groupByValue(rows: Row[]): ValueGroup[] {
  const members = new Map<string, Row[]>();
  for (const row of rows) {
    const value = row.value ?? "unknown";
    const known = members.get(value);
    if (known) known.push(row); else members.set(value, [row]);
  }
  return [...members].map(([value, of]) => ({
    row: {
      key: keyOf("value", value), type: "value", id: value, name: value, value,
      values: totalOf(of.map((row) => row.values)), trend: totalTrend(of.map((row) => row.trend)),
    },
    members: of,
  }));
}

export interface Sort {
  by: string;  // a metric's id, or "name"
  descending: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** A new array. What has no value is last, whichever way; equal rows are ordered by name, then id. */
export function sorted(rows: readonly Row[], sort: Sort): Row[] {
  const byName = (a: Row, b: Row) => collator.compare(a.name, b.name) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  const way = sort.descending ? -1 : 1;
  const metric = metricOf(sort.by);
  if (!metric) return [...rows].sort((a, b) => way * byName(a, b));
  const valued = rows.map((row) => ({ row, value: valueOf(metric, row.values) }));
  valued.sort((a, b) => {
    const [none_a, none_b] = [Number.isNaN(a.value), Number.isNaN(b.value)];
    if (none_a || none_b) return none_a && none_b ? byName(a.row, b.row) : none_a ? 1 : -1;
    return way * (a.value - b.value) || byName(a.row, b.row);
  });
  return valued.map((entry) => entry.row);
}

// --- Filter ---------------------------------------------------------------------------------------------------------------

const kCondition = /^([a-z_]+)(<=|>=|<|>|=)(-?\$?[\d.,]+)(%|k|m)?$/i;

/** "brand spend>1000 roas<0.9": every word must be in the name or id, every condition must hold. */
export function makeFilter(text: string): (row: Row) => boolean {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const condition = kCondition.exec(word);
    const metric = condition && metricOf(condition[1] ?? "");
    const limit = condition ? numberIn(condition[3] ?? "", condition[4] ?? "") : Number.NaN;
    if (!metric || Number.isNaN(limit)) return (row: Row) => row.name.toLowerCase().includes(word) || row.id.toLowerCase().includes(word);
    return (row: Row) => holds(valueOf(metric, row.values), condition[2] ?? "", limit);
  });
  return (row) => tests.every((test) => test(row));
}

function numberIn(digits: string, unit: string): number {
  const number = Number(digits.replace(/[$,]/g, ""));
  const times: Record<string, number> = { "%": 0.01, k: 1_000, m: 1_000_000, "": 1 };
  return number * (times[unit] ?? 1);
}

function holds(value: number, sign: string, limit: number): boolean {
  switch (sign) {
    case "<": return value < limit;
    case ">": return value > limit;
    case "<=": return value <= limit;
    case ">=": return value >= limit;
    default: return Math.abs(value - limit) < 1e-9;
  }
}

export function totalRow(rows: readonly Row[]): { values: Values; trend: Trend } {
  return { values: totalOf(rows.map((row) => row.values)), trend: totalTrend(rows.map((row) => row.trend)) };
}
