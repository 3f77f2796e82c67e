// What a person does on the page, from the first look to a daemon that dies and comes back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Browser, numberIn, until, World } from "./harness.mjs";

let world, browser, page;

before(async () => {
  world = await World.make();
  await world.start();
  browser = await Browser.open(world);
  page = browser.page;
});
after(async () => {
  await browser?.close();
  await world?.close();
});

const column_of = async (name) => (await page.locator('.head-line [role="columnheader"]').allTextContents()).indexOf(name);
const lines = () => page.locator(".grid-body .line");
const ordered = () => lines().evaluateAll((all) => all.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((line) => [...line.children].map((cell) => cell.textContent)));
const values = async (name) => {
  const at = await column_of(name);
  return (await ordered()).map((line) => numberIn(line[at] ?? ""));
};
const settled = () => page.waitForFunction(() => !document.querySelector(".busy") && document.querySelector(".home, .entity")?.getAttribute("aria-busy") !== "true");
const api = async (path) => (await fetch(world.address + path)).json();

test("the overview shows what the API says, and the badge that it is live", async () => {
  await browser.go();
  const { summary } = await api("/api/dashboard/analytics/overview-roas-chart?start_date=2025-07-04&end_date=2025-07-31");
  assert.equal(numberIn(await page.locator(".tile-spend .tile-value").textContent()), summary.total_spend);
  assert.equal(numberIn(await page.locator(".tile-revenue .tile-value").textContent()), summary.total_revenue);
  assert.equal(numberIn(await page.locator(".tile-roas .tile-value").textContent()), Math.round(summary.overall_roas * 100) / 100);
  assert.equal(await page.locator(".tile canvas").count(), 4);
  await page.locator('.badge[data-state="live"]').waitFor();
  await page.locator(".badge").click();
  const panel = await page.locator(".badge-panel").textContent();
  for (const fact of ["Lag", "Last epoch", "Held days", "Verified"]) assert.ok(panel.includes(fact), panel);
  await page.keyboard.press("Escape");
  await browser.shot("home-light");
});

test("days are chosen, and the address says which", async () => {
  const spend = await page.locator(".tile-spend .tile-value").textContent();
  await page.getByRole("button", { name: "7d", exact: true }).click();
  await until(async () => (await page.locator(".tile-spend .tile-value").textContent()) !== spend, "other numbers");
  assert.equal(new URL(page.url()).search, "?days=7");
  await page.locator(".range-button").click();
  await page.getByLabel("From").fill("2025-07-01");
  await page.getByLabel("To").fill("2025-06-01");
  await page.getByRole("button", { name: "Show these days" }).click();
  assert.match(await page.locator(".dialog .problem").textContent(), /after the last/);
  await page.getByLabel("To").fill("2025-07-10");
  await page.getByRole("button", { name: "Show these days" }).click();
  await until(() => page.url().endsWith("?start=2025-07-01&end=2025-07-10"), () => page.url());
  const { summary } = await api("/api/dashboard/analytics/overview-roas-chart?start_date=2025-07-01&end_date=2025-07-10");
  await until(async () => numberIn(await page.locator(".tile-spend .tile-value").textContent()) === summary.total_spend, "the spend of these days");
  await page.goBack();
  await page.goBack();
  await until(async () => (await page.locator(".tile-spend .tile-value").textContent()) === spend, "what was at first");
});

test("the table is sorted by its heads", async () => {
  const sorted = (list, way) => assert.deepEqual(list, [...list].sort((a, b) => way * (a - b)), String(list));
  sorted(await values("Spend"), -1);
  await page.getByRole("columnheader", { name: "Trials" }).click();
  await page.locator('[role="columnheader"][aria-sort="descending"]', { hasText: "Trials" }).waitFor();
  sorted(await values("Trials"), -1);
  await page.getByRole("columnheader", { name: "Trials" }).click();
  sorted(await values("Trials"), 1);
  assert.equal(new URL(page.url()).searchParams.get("sort"), "trials");
  await page.getByRole("columnheader", { name: "Name" }).click();
  assert.equal(await page.locator('[aria-sort="ascending"]').count(), 1);
  await page.getByRole("columnheader", { name: "Spend" }).click();
});

test("the table is filtered by words and by numbers", async () => {
  const names = (await ordered()).map((line) => line[0]);
  const word = names[0].split(/[ |]+/)[0];
  await page.getByRole("searchbox").fill(word);
  await until(async () => (await lines().count()) === names.filter((name) => name.toLowerCase().includes(word.toLowerCase())).length, "the filtered rows");
  const first = (await values("Spend"))[0];
  await page.getByRole("searchbox").fill(`spend>=${first}`);
  await until(async () => (await values("Spend")).every((value) => value >= first), "rows with that spend");
  await page.getByRole("searchbox").fill("nothing is called this");
  await page.getByText("Nothing fits the filter").waitFor();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await until(async () => (await lines().count()) === names.length, "every row");
});

test("a campaign opens into ad sets, and these into ads", async () => {
  await page.locator(".grid-body .line .toggle").first().click();
  await page.locator('.line[aria-level="2"]').first().waitFor();
  await page.locator('.line[aria-level="2"] .toggle').first().click();
  await page.locator('.line[aria-level="3"]').first().waitFor();
  assert.ok(await page.locator('.line[aria-level="3"] .spark-line').count() > 0);
  const spend = await column_of("Spend");
  const rows = await page.locator(".grid-body .line").evaluateAll((all, at) => all.map((line) => [Number(line.ariaLevel), Number(line.ariaRowIndex), line.children[at].textContent]), spend);
  rows.sort((a, b) => a[1] - b[1]);
  const [campaign, ...rest] = rows;
  const below = [];
  for (const row of rest) {
    if (row[0] === 1) break;
    if (row[0] === 2) below.push(numberIn(row[2]));
  }
  assert.ok(Math.abs(below.reduce((a, b) => a + b, 0) - numberIn(campaign[2])) < 0.02, `${below} make ${campaign[2]}`);
  await browser.shot("open-light");
});

test("columns are chosen, and remembered", async () => {
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: "Clicks", exact: true }).check();
  await page.getByRole("checkbox", { name: "Profit", exact: true }).uncheck();
  await browser.shot("columns-light");
  await page.getByRole("button", { name: "Close", exact: true }).click();
  assert.ok(await column_of("Clicks") > 0);
  assert.equal(await column_of("Profit"), -1);
  await page.getByLabel("Trend").selectOption("spend");
  await page.reload();
  await lines().first().waitFor();
  assert.ok(await column_of("Clicks") > 0);
  assert.equal(await column_of("Profit"), -1);
  assert.ok(await column_of("Spend, 14 days") > 0);
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("button", { name: "Usual columns" }).click();
  await page.keyboard.press("Escape");
  assert.ok(await column_of("Profit") > 0);
  await page.getByLabel("Trend").selectOption("roas");
});

test("a breakdown shows values, which open into campaigns", async () => {
  await page.getByRole("button", { name: "Country" }).click();
  await page.getByRole("heading", { name: "Campaigns by country" }).waitFor();
  await settled();
  const total = numberIn(await page.locator(".grid-foot .cell").nth(await column_of("Trials")).textContent());
  assert.equal(total, numberIn(await page.locator(".minor div", { hasText: "Trials" }).locator("dd").textContent()));
  await page.locator(".grid-body .line .toggle").first().click();
  await page.locator('.line[aria-level="2"] a').first().waitFor();
  await browser.shot("country-light");
  await page.locator('.line[aria-level="2"] .toggle').first().click();
  await page.locator('.line[aria-level="3"]').first().waitFor();
  await page.getByRole("button", { name: "No breakdown" }).click();
  await settled();
});

test("what is shown is saved as CSV", async () => {
  await page.getByRole("searchbox").fill("");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  assert.match(download.suggestedFilename(), /^admetricsd_Campaigns_2025-07-04_2025-07-31\.csv$/);
  const text = readFileSync(await download.path(), "utf8");
  const [header, ...rows] = text.replace(/^\ufeff/, "").trim().split("\r\n");
  assert.match(header, /^level,id,name,start_date,end_date,spend,revenue,profit,roas/);
  assert.equal(rows.length, await lines().count());
});

test("a number says why it is what it is", async () => {
  await page.locator(".grid-body .line").first().locator(".cell").nth(await column_of("ROAS")).click();
  const dialog = page.locator("dialog");
  await dialog.getByRole("heading", { name: /Why this number\? ROAS/ }).waitFor();
  assert.match(await dialog.locator(".formula").textContent(), /^Revenue \$[\d,.]+ ÷ Spend \$[\d,.]+ = [\d.]+$/);
  await dialog.locator("tbody tr").nth(27).waitFor();
  const described = await api("/openapi.json");
  assert.equal(await dialog.getByRole("button", { name: /Source rows/ }).count() > 0, described.paths["/api/explain"] !== undefined, "offered where there is one");
  await browser.shot("why-light");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("the source rows of a day are shown, with when and why the row last changed", async () => {
  await lines().first().locator(".cell").nth(await column_of("Trials")).click();
  const dialog = page.locator("dialog");
  const [answer] = await Promise.all([page.waitForResponse((response) => response.url().includes("/api/explain?")),
                                      dialog.getByRole("button", { name: /Source rows/ }).first().click()]);
  const explained = await answer.json();
  assert.equal(answer.status(), 200);
  await dialog.getByText("The stored row agrees with the source.").waitFor();
  const told = await dialog.locator(".raw-place").textContent();
  assert.ok(told.includes(explained.computed_at), "when it last changed");
  assert.ok(explained.causes.length > 0);
  for (const cause of explained.causes) assert.ok(told.includes(cause.evidence), cause.evidence);
  const trials = explained.columns.find((column) => column.column === "trial_users_count");
  assert.ok(told.includes(`trial_users_count = ${trials.filled} = ${trials.stored}`), "the formula with its numbers");
  const shown = Math.min(explained.users.length, 50);
  assert.equal(await dialog.locator(".raw-user").count(), shown);
  assert.equal(await dialog.locator(".raw-place tbody tr").count(),
               explained.meta.length + explained.users.slice(0, shown).reduce((sum, user) => sum + user.rows.length, 0));
  await browser.shot("explain-real-light");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("what the source rows hold is shown as text", async () => {
  // In the shape of `admetricsd explain --json`.
  const row = { table: "mixpanel_event", key: "e1", cells: { event_name: "RC Trial started" }, gives: [{ column: "trial_users_count", amount: "1" }] };
  const column = { column: "trial_users_count", formula: "number of trial users", filled: "1", expected: "1", stored: "1", equal: true };
  await page.route("**/openapi.json", (route) => route.fulfill({ json: { paths: { "/api/explain": {} } } }));
  const asked = [];
  await page.route("**/api/explain?*", (route) => {
    asked.push(Object.fromEntries(new URL(route.request().url()).searchParams));
    return route.fulfill({ json: { agrees: true, computed_at: "2025-07-31 10:00:00.000", causes: [], notes: [], meta: [], elsewhere: [],
                                   users: [{ distinct_id: "<b>u1</b>", lists: ["trial_users_list"], rows: [row] }], columns: [column] } });
  });
  await browser.go();
  await page.waitForTimeout(300);
  await lines().first().locator(".cell").nth(await column_of("Trials")).click();
  await page.locator("dialog").getByRole("button", { name: /Source rows/ }).first().click();
  await page.getByText("The stored row agrees with the source.").waitFor();
  await page.locator(".raw-user", { hasText: "<b>u1</b>" }).waitFor();
  assert.deepEqual(Object.keys(asked[0]), ["entity_type", "entity_id", "date"]);
  await browser.shot("explain-light");
  await page.unroute("**/openapi.json");
  await page.unroute("**/api/explain?*");
  await browser.go();
});

test("an entity has a page with every family of metrics", async () => {
  await page.locator(".grid-body .line a.name").first().click();
  const name = await page.locator("h1").textContent();
  await until(async () => (await page.locator("h1").textContent()) !== "…", "its name");
  for (const family of ["Money", "Volume", "Conversion", "Accuracy", "Cost"]) await page.getByRole("heading", { name: family, exact: true }).waitFor();
  assert.ok(await page.locator(".entity canvas").count() >= 14);
  assert.match(page.url(), /\?entity=campaign/);
  await browser.shot("entity-light", { fullPage: true });
  await page.locator(".slice").first().locator("tbody button").first().click();
  await page.locator(".pill.accent").waitFor();
  assert.match(page.url(), /only=country/);
  await page.locator(".pill-close").click();
  await page.locator(".pill.accent").waitFor({ state: "detached" });
  await page.goBack();
  await page.goBack();
  await page.goBack();
  await lines().first().waitFor();
  assert.ok(name);
});

test("everything is reached by keyboard alone", async () => {
  await browser.go();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement.getAttribute("role") === "columnheader")); ++i) await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => [document.activeElement.getAttribute("role"), document.activeElement.ariaColIndex, document.activeElement.parentElement.ariaRowIndex]);
  assert.deepEqual(await focused(), ["columnheader", "1", "1"]);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("[aria-sort=ascending]").textContent(), "Spend");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await page.locator('.line[aria-level="2"]').first().waitFor();
  await page.keyboard.press("ArrowDown");
  assert.deepEqual(await focused(), ["rowheader", "1", "3"]);
  await page.keyboard.press("ArrowLeft");
  assert.deepEqual(await focused(), ["rowheader", "1", "2"]);
  await page.keyboard.press("ArrowLeft");
  await page.locator('.line[aria-level="2"]').first().waitFor({ state: "detached" });
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal((await focused())[2], "2", "the focus is back where it was");
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.locator(".entity").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
  await page.goBack();
  await lines().first().waitFor();
  assert.deepEqual(await focused(), ["rowheader", "1", "2"], "back is where one was");
});

test("a change in the source moves a number, and marks it", async () => {
  await browser.go();
  const first = page.locator(".grid-body .line").first();
  const id = new URL(await first.locator("a.name").getAttribute("href"), world.address).searchParams.get("entity").split(":")[1];
  const at = await column_of("Spend");
  const was = numberIn(await first.locator(".cell").nth(at).textContent());
  const total = numberIn(await page.locator(".tile-spend .tile-value").textContent());
  world.sql("meta_analytics.db", `UPDATE ad_performance_daily SET spend = spend + 1000 WHERE rowid = (SELECT rowid FROM ad_performance_daily WHERE campaign_id = '${id}' AND date = '2025-07-30' LIMIT 1)`);
  await first.locator('.cell[data-mark="up"]').first().waitFor();
  assert.equal(numberIn(await first.locator(".cell").nth(at).textContent()), Math.round((was + 1000) * 100) / 100);
  await page.locator('.tile-spend[data-mark="up"]').waitFor();
  assert.equal(numberIn(await page.locator(".tile-spend .tile-value").textContent()), Math.round((total + 1000) * 100) / 100);
  await browser.shot("marked-light");
  await until(async () => /Spend \$/.test(await page.locator("#announcer").textContent()), "it is said aloud");
  await until(async () => (await page.locator("[data-mark]").count()) === 0, "the marks go", 20);
});

test("numbers that are held still wait", async () => {
  await page.locator(".live-button").click();
  const before = await page.locator(".tile-spend .tile-value").textContent();
  world.sql("meta_analytics.db", "UPDATE ad_performance_daily SET spend = spend + 1 WHERE date = '2025-07-29'");
  await page.locator(".waiting-count").waitFor();
  assert.equal(await page.locator(".tile-spend .tile-value").textContent(), before);
  await page.locator(".live-button").click();
  await until(async () => (await page.locator(".tile-spend .tile-value").textContent()) !== before, "what waited");
});

test("a daemon that is gone is said to be gone, and comes back", async () => {
  browser.awayOnPurpose = true;
  await world.kill();
  await page.locator('.badge[data-state="gone"]').waitFor({ timeout: 15_000 });
  await page.locator(".banner", { hasText: "has not answered" }).waitFor();
  assert.ok(await lines().count() > 0, "the last numbers stay");
  await browser.shot("gone-light");
  world.sql("meta_analytics.db", "UPDATE ad_performance_daily SET spend = spend + 500 WHERE rowid = (SELECT rowid FROM ad_performance_daily WHERE date = '2025-07-28' LIMIT 1)");
  const before = await page.locator(".tile-spend .tile-value").textContent();
  await world.start();
  await page.locator('.badge[data-state="live"]').waitFor({ timeout: 20_000 });
  await until(async () => (await page.locator(".tile-spend .tile-value").textContent()) !== before, "what changed meanwhile");
  browser.awayOnPurpose = false;
});

test("nothing went wrong in the browser, and nothing left the daemon's origin", () => {
  assert.deepEqual(browser.wrong, []);
});
