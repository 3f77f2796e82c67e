import assert from "node:assert/strict";
import { test } from "node:test";
import { addDays, daysIn, isDay, lastDays, previousRange } from "../src/days";
import { durationText, kNothing, makeFormats, shownSteps } from "../src/format";

test("days are calendar days", () => {
  assert.equal(isDay("2024-02-29"), true);
  for (const wrong of ["2025-02-29", "2025-13-01", "2025-1-1", "", "2025-01-01T00:00"]) assert.equal(isDay(wrong), false, wrong);
  assert.equal(addDays("2025-03-01", -1), "2025-02-28");
  // Where clocks change, a day is still a day.
  assert.deepEqual(lastDays("2025-04-02", 7), { start: "2025-03-27", end: "2025-04-02" });
  assert.equal(daysIn({ start: "2025-03-01", end: "2025-03-31" }), 31);
  assert.deepEqual(previousRange({ start: "2025-03-01", end: "2025-03-31" }), { start: "2025-01-29", end: "2025-02-28" });
});

test("numbers are written for people", () => {
  const formats = makeFormats("en-US");
  assert.equal(formats.number("money", 1234.5), "$1,234.50");
  assert.equal(formats.number("money", -0), "$0.00");
  assert.equal(formats.number("money", 2_345_678.9), "$2,345,679");
  assert.equal(formats.number("percent", 0.1234), "12.3%");
  assert.equal(formats.number("ratio", 1.005), "1.01");
  assert.equal(formats.number("count", 12345), "12,345");
  assert.equal(formats.number("money", Number.NaN), kNothing);
  assert.equal(formats.short("money", 1500), "$1.5K");
  assert.equal(formats.short("money", 0.25), "$0.25");
  assert.equal(formats.change(0.123), "+12.3%");
  assert.equal(formats.change(-27), "27×");
  assert.equal(formats.day("2025-07-31"), "Jul 31");
  assert.equal(makeFormats("de-DE").number("money", 1234.5).replace(/\s/u, " "), "1.234,50 $");
});

test("two numbers are told apart where their texts are", () => {
  assert.equal(shownSteps("money", 1.004), shownSteps("money", 1.0));
  assert.notEqual(shownSteps("money", 1.006), shownSteps("money", 1.0));
  assert.equal(shownSteps("ratio", 1.041), shownSteps("ratio", 1.0399999));
});

test("durations are short", () => {
  assert.deepEqual([0.2, 5, 89, 600, 7200, 200_000].map(durationText), ["under 1 s", "5 s", "89 s", "10 min", "2 h", "2 days"]);
});
