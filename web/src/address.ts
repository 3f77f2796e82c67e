/** What the page shows, as the address bar has it: a link shows the same to whoever opens it. */

import { isDay, lastDays, type Range } from "./days";
import { metricOf } from "./metrics";
import type { Breakdown, Level, Sort } from "./rows";

export type Days = { preset: number } | Range;

export interface View {
  days: Days;
  level: Level;
  breakdown: Breakdown;
  sort: Sort;
  filter: string;
  /** The entity whose page is open, and the one value of a breakdown that it is limited to. */
  entity?: { type: Level; id: string };
  slice?: { breakdown: Exclude<Breakdown, "all">; value: string };
}

export const kPresets = [7, 14, 28, 90] as const;
export const kUsualSort: Sort = { by: "spend", descending: true };
export const kUsualView: View = { days: { preset: 28 }, level: "campaign", breakdown: "all", sort: kUsualSort, filter: "" };

const kLevels: readonly string[] = ["campaign", "adset", "ad"];
const kBreakdowns: readonly string[] = ["country", "region", "device"];

/** Whatever is wrong in an address is as if it were not there. */
export function parseAddress(search: string): View {
  const given = new URLSearchParams(search);
  const view: View = { ...kUsualView };
  const start = given.get("start") ?? "";
  const end = given.get("end") ?? "";
  const preset = Number(given.get("days"));
  if (isDay(start) && isDay(end) && start <= end) view.days = { start, end };
  else if ((kPresets as readonly number[]).includes(preset)) view.days = { preset };
  const level = given.get("level") ?? "";
  if (kLevels.includes(level)) view.level = level as Level;
  const breakdown = given.get("by") ?? "";
  if (kBreakdowns.includes(breakdown)) view.breakdown = breakdown as Breakdown;
  const sort = given.get("sort") ?? "";
  const by = sort.replace(/^-/, "");
  if (by === "name" || metricOf(by)) view.sort = { by, descending: sort.startsWith("-") };
  view.filter = given.get("q") ?? "";
  const entity = /^(campaign|adset|ad):(.+)$/s.exec(given.get("entity") ?? "");
  if (entity) {
    view.entity = { type: entity[1] as Level, id: entity[2] ?? "" };
    const slice = /^(country|region|device):(.+)$/s.exec(given.get("only") ?? "");
    if (slice) view.slice = { breakdown: slice[1] as "country", value: slice[2] ?? "" };
  }
  return view;
}

/** "/" for the usual view; only what differs is said. */
export function formatAddress(view: View): string {
  const out = new URLSearchParams();
  if (view.entity) out.set("entity", `${view.entity.type}:${view.entity.id}`);
  if (view.entity && view.slice) out.set("only", `${view.slice.breakdown}:${view.slice.value}`);
  if (!("preset" in view.days)) {
    out.set("start", view.days.start);
    out.set("end", view.days.end);
  } else if (view.days.preset !== 28) {
    out.set("days", String(view.days.preset));
  }
  if (view.level !== "campaign") out.set("level", view.level);
  if (view.breakdown !== "all") out.set("by", view.breakdown);
  if (view.sort.by !== kUsualSort.by || !view.sort.descending) out.set("sort", (view.sort.descending ? "-" : "") + view.sort.by);
  if (view.filter) out.set("q", view.filter);
  const text = out.toString();
  return text ? `/?${text}` : "/";
}

/** The days that are meant, where the tables end with `last`. */
export function rangeOf(days: Days, last: string): Range {
  return "preset" in days ? lastDays(last, days.preset) : days;
}
