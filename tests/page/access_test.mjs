// The page in every form: light and dark, wide and on a phone, for a screen reader, and behind a token.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { Browser, World } from "./harness.mjs";

const kAxe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const kForms = [
  ["light", { width: 1440, height: 900 }], ["dark", { width: 1440, height: 900 }], ["light", { width: 390, height: 844 }], ["dark", { width: 390, height: 844 }],
];

let world, browser;

before(async () => {
  world = await World.make();
  await world.start();
  browser = await Browser.open(world, { bypassCSP: false });
});
after(async () => {
  await browser?.close();
  await world?.close();
});

/** By the browser's own evaluation, which no policy of the page stops. */
async function violations(page) {
  const { readFileSync } = await import("node:fs");
  await page.evaluate(readFileSync(kAxe, "utf8") + "; undefined");
  const found = await page.evaluate(async () => (await window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  })).violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary ?? ""}`).join(" | ")}`));
  return found;
}

for (const [scheme, viewport] of kForms) {
  const form = `${scheme}-${viewport.width < 600 ? "phone" : "wide"}`;
  test(`no rule of accessibility is broken: ${form}`, async () => {
    const { page } = browser;
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize(viewport);
    await browser.go();
    await page.locator(".badge[data-state=live]").waitFor();
    await page.locator(".grid-body .line .toggle").first().click();
    await page.locator('.line[aria-level="2"]').first().waitFor();
    await browser.shot(`home-${form}`);
    assert.deepEqual(await violations(page), [], "home");
    await page.locator(".badge").click();
    await browser.shot(`badge-${form}`);
    assert.deepEqual(await violations(page), [], "badge");
    await page.locator(".badge").click();
    await page.getByRole("button", { name: "Columns" }).click();
    assert.deepEqual(await violations(page), [], "columns");
    await browser.shot(`columns-${form}`);
    await page.keyboard.press("Escape");
    await page.locator(".grid-foot .cell").nth(3).click();
    await page.locator("dialog").waitFor();
    await browser.shot(`why-${form}`);
    assert.deepEqual(await violations(page), [], "why");
    await page.keyboard.press("Escape");
    await page.locator(".grid-body .line a.name").first().click();
    await page.locator(".entity canvas").first().waitFor();
    await page.waitForFunction(() => document.querySelector(".daily tbody tr"));
    assert.deepEqual(await violations(page), [], "entity");
    await browser.shot(`entity-${form}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, "the page does not scroll sideways");
    await page.goBack();
    await page.locator(".grid-body .line").first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  });
}

test("a range without rows says so, and a wrong address is no dead end", async () => {
  const { page } = browser;
  await page.goto(`${world.address}/?start=2020-01-01&end=2020-01-31`);
  await page.getByText("No campaigns in these days").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.goto(`${world.address}/?entity=campaign:nobody&days=12&sort=whatever`);
  await page.getByText("No rows in these days").waitFor();
  await page.getByRole("link", { name: "All campaigns" }).click();
  await page.locator(".grid-body .line").first().waitFor();
});

test("nothing went wrong in the browser", () => {
  assert.deepEqual(browser.wrong, []);
});

test("where a token is asked for, the page asks its reader", async () => {
  const guarded = await World.make({ users: 300, days: 30, token: "open-sesame" });
  const other = await Browser.open(guarded);
  try {
    await guarded.start();
    const { page } = other;
    other.awayOnPurpose = true;  // each refusal is told on the console
    await page.goto(guarded.address);
    await page.locator("#token").fill("wrong");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("does not know that token").waitFor();
    await other.shot("token-light");
    await page.locator("#token").fill("open-sesame");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator(".grid-body .line").first().waitFor();
    await page.locator(".badge[data-state=live]").waitFor();
    await page.reload();
    await page.locator(".grid-body .line").first().waitFor();
    assert.equal(await page.locator("dialog").count(), 0, "it is remembered in this tab");
    assert.deepEqual(other.wrong, []);
  } finally {
    await other.close();
    await guarded.close();
  }
});
