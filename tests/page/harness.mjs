// What the tests of the live page share: a folder with a sample source, the real daemon on it, headless Chromium before it.
// Only processes that were started here are ever ended.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const kChromium = process.env.ADMETRICS_CHROMIUM ?? "/usr/bin/chromium";
const kSkipped = 77;
export const binary = process.env.ADMETRICS_BINARY;
export const shots = process.env.ADMETRICS_SHOTS ?? "";

if (!binary) throw new Error("ADMETRICS_BINARY names the daemon");
if (!existsSync(kChromium)) {
  console.log(`skipped: ${kChromium} is not installed; scripts/setup.sh --test installs it`);
  process.exit(kSkipped);
}

export async function until(condition, what, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A sample source, and a daemon that can be killed and started again at the same address. */
export class World {
  static async make({ users = 40_000, days = 60, lastDay = "2025-07-31", token = "" } = {}) {
    const world = new World();
    world.folder = mkdtempSync(join(tmpdir(), "admetricsd-page-"));
    execFileSync(binary, ["demo", world.folder, "--users", String(users), "--days", String(days), "--last-day", lastDay]);
    world.port = await freePort();
    world.address = `http://127.0.0.1:${world.port}`;
    if (token) writeFileSync(join(world.folder, "token"), token + "\n");
    writeFileSync(world.path("admetricsd.toml"), [
      "[source.sqlite]", 'product_db = "mixpanel_data.db"', 'ads_db = "meta_analytics.db"', "[state]", 'dir = "state"',
      "[reporting]", `as_of = "${lastDay}"`, "[http]", `listen = "127.0.0.1:${world.port}"`, ...(token ? ['token_file = "token"'] : []), "",
    ].join("\n"));
    return world;
  }

  path(name) { return join(this.folder, name); }

  /** As somebody else would write: another process, its own connection. */
  sql(database, statement) {
    return execFileSync("sqlite3", ["-cmd", ".timeout 10000", this.path(database), statement], { encoding: "utf8" }).trim();
  }

  async start() {
    const log = openSync(this.path("daemon.log"), "a");
    this.daemon = spawn(binary, ["run", "--config", this.path("admetricsd.toml")], { stdio: ["ignore", log, log] });
    await until(async () => {
      if (this.daemon.exitCode !== null) throw new Error(`the daemon ended with ${this.daemon.exitCode}:\n${this.log()}`);
      try { return (await fetch(`${this.address}/readyz`)).status === 200; } catch { return false; }
    }, () => `the daemon is ready:\n${this.log()}`, 90);
  }

  log() { return readFileSync(this.path("daemon.log"), "utf8").split("\n").slice(-20).join("\n"); }

  kill() {
    const { daemon } = this;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      daemon.once("exit", resolve);
      daemon.kill("SIGKILL");
    });
  }

  async close() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A browser with nothing in it, and what went wrong in it: errors of the console, refusals by the policy, requests to elsewhere. */
export class Browser {
  static async open(world, options = {}) {
    const browser = new Browser();
    browser.world = world;
    browser.profile = mkdtempSync(join(tmpdir(), "admetricsd-chromium-"));
    browser.wrong = [];
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath: kChromium, headless: true, viewport: { width: 1440, height: 900 }, locale: "en-US", acceptDownloads: true, ...options,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync"],
    });
    browser.page = browser.context.pages()[0] ?? await browser.context.newPage();
    browser.page.setDefaultTimeout(8_000);
    browser.page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      const text = `${message.type()}: ${message.text()}`;
      // A daemon that is away on purpose is told by the browser, too.
      if (browser.awayOnPurpose && /ERR_CONNECTION_|ERR_INCOMPLETE|ERR_EMPTY|Failed to load resource/.test(text)) return;
      browser.wrong.push(text);
    });
    browser.page.on("pageerror", (error) => browser.wrong.push(`exception: ${error.stack ?? error}`));
    browser.context.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== world.address && protocol !== "blob:" && protocol !== "data:") browser.wrong.push(`a request to ${request.url()}`);
    });
    await browser.page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    return browser;
  }

  async go(path = "/") {
    await this.page.goto(this.world.address + path);
    await this.page.locator(".grid:not([hidden]) .grid-body .line, .entity .figure-value").first().waitFor();
  }

  async shot(name, options = {}) {
    if (shots) await this.page.screenshot({ path: join(shots, `${name}.png`), ...options });
  }

  async close() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** "$1,234.50" → 1234.5 */
export function numberIn(text) {
  const found = /-?[\d,]*\.?\d+/.exec(text.replace(/[$%]/g, "").replace("−", "-"));
  return found ? Number(found[0].replace(/,/g, "")) : Number.NaN;
}
