/** Calendar days as `YYYY-MM-DD`, which sort as text. No time zone ever enters: a day is the daemon's reporting day. */

const kDayMillis = 86_400_000;
const kPattern = /^\d{4}-\d{2}-\d{2}$/;

export interface Range {
  start: string;
  end: string;
}

export function millisOf(day: string): number {
  return Date.parse(day + "T00:00:00Z");
}

export function isDay(text: string): boolean {
  const millis = kPattern.test(text) ? millisOf(text) : Number.NaN;
  // A day that no month has is read as one of the next month, so it does not come back as itself.
  return !Number.isNaN(millis) && new Date(millis).toISOString().slice(0, 10) === text;
}

export function addDays(day: string, count: number): string {
  return new Date(millisOf(day) + count * kDayMillis).toISOString().slice(0, 10);
}

/** Both ends included. */
export function daysIn(range: Range): number {
  return Math.round((millisOf(range.end) - millisOf(range.start)) / kDayMillis) + 1;
}

export function lastDays(end: string, count: number): Range {
  return { start: addDays(end, 1 - count), end };
}

/** As many days, ending the day before `range` begins. */
export function previousRange(range: Range): Range {
  return lastDays(addDays(range.start, -1), daysIn(range));
}
