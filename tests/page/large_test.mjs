// Two thousand campaigns: how long the page keeps its reader waiting. Times are reported, not judged: machines differ.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until, World } from "./harness.mjs";

const kCampaigns = 2_000;
let world, browser;

before(async () => {
  world = await World.make({ users: 2000, days: 40 });
  world.sql("meta_analytics.db", `
    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${kCampaigns}), d(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n < 27)
    INSERT INTO ad_performance_daily (ad_id, adset_id, campaign_id, date, ad_name, adset_name, campaign_name, spend, impressions, clicks, meta_trials, meta_purchases)
    SELECT 'a' || c.n, 's' || c.n, 'c' || c.n, date('2025-07-31', '-' || d.n || ' days'), 'Ad ' || c.n, 'Ad set ' || c.n, 'Campaign ' || c.n,
           (c.n * 7919 % 5000) / 10.0 + d.n, c.n * 31 % 9000 + 100, c.n * 17 % 300 + 1, c.n % 9, c.n % 4 FROM c, d`);
  await world.start();
  browser = await Browser.open(world);
});
after(async () => {
  await browser?.close();
  await world?.close();
});

async function measured(name, act) {
  const { page } = browser;
  await page.evaluate(() => {
    window.frames_seen = [];
    window.frames_on = true;
    let last = performance.now();
    const step = (now) => {
      window.frames_seen.push(now - last);
      last = now;
      if (window.frames_on) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await act();
  const seen = await page.evaluate(() => { window.frames_on = false; return window.frames_seen.slice(1); });
  const sorted = [...seen].sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  console.log(`# ${name}: ${seen.length} frames, median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms, over 50 ms: ${seen.filter((one) => one > 50).length}`);
}

test("two thousand campaigns are scrolled, sorted, filtered and moved", async () => {
  const { page } = browser;
  const began = Date.now();
  await browser.go();
  console.log(`# first rows after ${Date.now() - began} ms`);
  assert.match(await page.locator(".count").textContent(), /2,0\d\d campaigns/);
  assert.ok(await page.locator(".line").count() < 80, "only what is seen exists");
  const scroll = (by) => page.evaluate(async (step) => {
    const grid = document.querySelector(".grid");
    for (let i = 0; i < 90; ++i) {
      grid.scrollTop += step;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }, by);
  await measured("scrolling down", () => scroll(400));
  await measured("scrolling up", () => scroll(-400));
  await measured("sorting eight times", async () => {
    for (let i = 0; i < 8; ++i) await page.getByRole("columnheader", { name: i % 2 ? "Spend" : "Trials" }).click();
  });
  await measured("typing a filter", async () => {
    await page.getByRole("searchbox").pressSequentially("campaign 12", { delay: 60 });
    await until(async () => /of 2,0/.test(await page.locator(".count").textContent()), "the filter");
    await page.getByRole("searchbox").fill("");
    await until(async () => !/of/.test(await page.locator(".count").textContent()), "all of them");
  });
  await measured("live changes of every row", async () => {
    for (let i = 0; i < 3; ++i) {
      const before = await page.locator(".tile-spend .tile-value").textContent();
      world.sql("meta_analytics.db", "UPDATE ad_performance_daily SET spend = spend + 1 WHERE date = '2025-07-30'");
      await until(async () => (await page.locator(".tile-spend .tile-value").textContent()) !== before, "moved numbers", 60);
      await scroll(i % 2 ? -200 : 200);
    }
  });
  await page.keyboard.press("Escape");
  await page.locator(".grid-body .line .toggle").nth(3).click();
  await page.locator('.line[aria-level="2"]').first().waitFor();
  await page.locator(".grid-body .cell").nth(5).focus();
  await page.keyboard.press("Control+End");
  assert.equal(await page.evaluate(() => document.activeElement.closest(".grid-foot") !== null), true);
  await browser.shot("large-light");
  assert.deepEqual(browser.wrong, []);
});
