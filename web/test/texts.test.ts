import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, kUsualView, parseAddress, rangeOf } from "../src/address";
import { csvOf, fileName } from "../src/csv";
import { badgeOf, factsOf, millisOfTime } from "../src/freshness";
import { EventParser } from "../src/sse";

test("CSV is quoted where it must be, and never a formula", () => {
  const text = csvOf(["name", "spend"], [["a,b \"c\"\nd", 1.5], ["=HYPERLINK(\"x\")", -2], [" +1", Number.NaN], ["@x", 0], ["-3", 1e-7], ["\tx", 3]]);
  assert.equal(text, "\ufeffname,spend\r\n\"a,b \"\"c\"\"\nd\",1.5\r\n\"'=HYPERLINK(\"\"x\"\")\",-2\r\n' +1,\r\n'@x,0\r\n'-3,1e-7\r\n'\tx,3\r\n");
  assert.equal(fileName("admetricsd", "US | Brand / \"x\"", "2025-07-01"), "admetricsd_US-Brand-x_2025-07-01.csv");
});

test("an address holds the view, and only what is unusual", () => {
  assert.equal(formatAddress(kUsualView), "/");
  const view = { ...kUsualView, days: { start: "2025-07-01", end: "2025-07-10" }, level: "ad" as const, breakdown: "device" as const,
                 sort: { by: "roas", descending: false }, filter: "a&b=1 %", entity: { type: "adset" as const, id: "x:y/z" },
                 slice: { breakdown: "country" as const, value: "US:1" } };
  assert.deepEqual(parseAddress(formatAddress(view).slice(1)), view);
  assert.deepEqual(parseAddress("?days=12&level=user&by=city&sort=nothing&entity=c&start=2025-02-30&end=2025-03-01"), kUsualView);
  assert.deepEqual(parseAddress("?start=2025-03-02&end=2025-03-01"), kUsualView);
  assert.deepEqual(rangeOf({ preset: 7 }, "2025-07-31"), { start: "2025-07-25", end: "2025-07-31" });
});

test("events are read however the stream is cut", () => {
  const stream = "retry: 3000\n\nevent: hello\nid: 7\ndata: {\"a\":1}\n\n: beat\n\nevent: epoch\r\nid: 8\r\ndata: one\r\ndata: two\r\n\r\ndata\n\n";
  const whole = new EventParser().push(stream);
  assert.deepEqual(whole, [{ event: "hello", data: "{\"a\":1}", id: "7" }, { event: "epoch", data: "one\ntwo", id: "8" }, { event: "message", data: "", id: "8" }]);
  for (let cut = 1; cut < stream.length; ++cut) {
    const parser = new EventParser();
    assert.deepEqual([...parser.push(stream.slice(0, cut)), ...parser.push(stream.slice(cut))], whole, `cut at ${cut}`);
  }
});

test("the badge tells the truth", () => {
  const state = (heard: Parameters<typeof badgeOf>[0]) => badgeOf(heard).state;
  const status = { phase: "streaming", lag: { records: 0, seconds: 0 } };
  assert.equal(state({ failed: false }), "connecting");
  assert.equal(state({ failed: true }), "gone");
  assert.equal(state({ status, failed: false, secondsAgo: 1 }), "live");
  assert.equal(state({ status, failed: true, secondsAgo: 1 }), "gone");
  assert.equal(state({ status, failed: false, secondsAgo: 60 }), "gone");
  assert.equal(state({ status: { ...status, lag: { records: 9, seconds: 40 } }, failed: false }), "behind");
  assert.equal(state({ status: { ...status, phase: "catching_up" }, failed: false }), "catching-up");
  assert.equal(state({ status: { ...status, phase: "paused" }, failed: false }), "paused");
  const waiting = badgeOf({ status: { ...status, phase: "waiting", last_error: "the disk is full" }, failed: false });
  assert.equal(waiting.state, "waiting");
  assert.match(waiting.detail, /the disk is full/);
});

test("held days and verification are told, or that nothing is known", () => {
  const now = millisOfTime("2025-07-31 10:01:00.000");
  const facts = (more: object) => Object.fromEntries(factsOf({ status: more, failed: false }, now).map((fact) => [fact.name, fact]));
  assert.match(facts({})["Held days"]?.text ?? "", /holds none back/);
  assert.match(facts({})["Verified"]?.text ?? "", /not since/);
  assert.equal(facts({ held_back: { days: [], users: 0 } })["Held days"]?.text, "none");
  assert.match(facts({ held_back: { days: [{ day: "2025-07-30" }], users: 12 } })["Held days"]?.text ?? "", /2025-07-30.*12 users/);
  const good = facts({ last_verification: { equal: true, at: "2025-07-31 10:00:00.000" } })["Verified"];
  assert.deepEqual([good?.tone, good?.text], ["good", "equal to a full recomputation, 60 s ago"]);
  assert.equal(facts({ last_verification: { equal: false, at: "2025-07-31 10:00:00.000" } })["Verified"]?.tone, "bad");
});
