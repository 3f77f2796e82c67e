import "uplot/dist/uPlot.min.css";
import "./page.css";

import { formatAddress, kPresets, kUsualView, parseAddress, rangeOf, type View } from "./address";
import { ApiError, getJson, onTokenNeeded } from "./api";
import { askForToken, openDialog } from "./dialog";
import { announce, fill, h, icon } from "./dom";
import { addDays, daysIn, isDay, type Range } from "./days";
import { EntityPage } from "./entity";
import { badgeOf, type DaemonStatus, factsOf, type Heard } from "./freshness";
import { Home } from "./home";
import { formats, type Page, type Shell } from "./shell";
import { type EpochEvent, listen } from "./stream";

const kStatusMs = 5_000;
const kFirstMs = 150;          // what changes after a pause shows at once; what a burst of epochs changes, together
const kRefreshMsMin = 1_000;
const kRefreshLoad = 4;        // at most a quarter of the time is spent on asking again
const kAnnounceMs = 15_000;

class App implements Shell {
  view: View = parseAddress(location.search);
  range: Range = { start: "", end: "" };
  readonly formats = formats;
  explains = false;

  private page: Page | undefined;
  private home: Home | undefined;  // kept: who comes back finds what was open, and where it was
  private readonly main = h("main", { id: "main", tabindex: -1 });
  private firstDay = "";
  private lastDay = "";
  private heard: Heard & { at: number } = { failed: false, at: 0 };
  private live = true;
  private waitingEpochs = 0;
  private refreshTimer = 0;
  private refreshing = false;
  private refreshedAt = 0;
  private wanted = false;
  private told = "";
  private toldAt = -Infinity;
  private statusTimer = 0;

  private readonly badge = h("button", { type: "button", class: "badge", "aria-expanded": "false", "aria-controls": "badge-panel", onclick: () => this.toggleBadge() });
  private readonly badgePanel = h("div", { id: "badge-panel", class: "badge-panel", hidden: true, role: "region", "aria-label": "How fresh the numbers are" });
  private readonly liveButton = h("button", { type: "button", class: "icon-button live-button", onclick: () => this.toggleLive() });
  private readonly rangeButton = h("button", { type: "button", class: "button range-button", "aria-haspopup": "dialog", onclick: () => this.chooseDays() });
  private readonly presets = h("div", { class: "segments presets", role: "group", "aria-label": "Days" });
  private readonly banner = h("div", { class: "banner", hidden: true });

  async start(): Promise<void> {
    onTokenNeeded(askForToken);
    const brand = h("a", { class: "brand", href: "/", "data-home": true }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "admetrics", h("b", {}, "d"));
    const header = h("header", { class: "top" },
      brand,
      h("div", { class: "top-range" }, this.presets, this.rangeButton),
      h("div", { class: "top-right" },
        h("button", { type: "button", class: "icon-button keys-button", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: () => showKeys() }, icon("keyboard")),
        this.liveButton, h("div", { class: "badge-place" }, this.badge, this.badgePanel)));
    for (const preset of kPresets) {
      this.presets.append(h("button", { type: "button", "data-preset": preset, onclick: () => this.go({ ...this.stay(), days: { preset } }) }, `${preset}d`));
    }
    document.getElementById("app")?.replaceChildren(
      h("a", { class: "skip", href: "#main", onclick: (event: Event) => { event.preventDefault(); this.main.focus(); } }, "Skip to the numbers"),
      header, this.banner, this.main);
    this.drawLive();
    this.drawBadge();
    document.addEventListener("click", (event) => this.onClick(event));
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { void this.askStatus(); this.schedule(); } });
    window.addEventListener("popstate", () => { this.view = parseAddress(location.search); void this.render(true); });
    window.setInterval(() => this.drawBadge(), 1_000);
    await this.askStatus();
    void this.findExplain();
    await this.begin();
    listen({
      onOpen: () => { void this.askStatus(); if (this.heard.failed) this.schedule(); },
      onEpoch: (event) => this.onEpoch(event),
      onReload: () => { this.waitingEpochs += 1; this.schedule(); },
      onLost: () => void this.askStatus(),
    });
  }

  // --- Where we are ----------------------------------------------------------------------------------------------------------------------

  go(change: Partial<View>, how: "push" | "replace" = "push"): void {
    this.view = this.changed(change, how === "replace");
    const address = formatAddress(this.view);
    if (address !== location.pathname + location.search) {
      if (how === "push") history.pushState(null, "", address); else history.replaceState(null, "", address);
    }
    void this.render(how === "push");
  }

  address(change: Partial<View>): string {
    return formatAddress(this.changed(change, false));
  }

  /** What is not said about an entity means: none. In place, everything stays. */
  private changed(change: Partial<View>, inPlace: boolean): View {
    const { entity, slice, ...rest } = this.view;
    const view: View = { ...rest, ...change };
    if (inPlace) {
      if (entity && !("entity" in change)) view.entity = entity;
      if (slice && !("slice" in change)) view.slice = slice;
    }
    return view;
  }

  private stay(): Partial<View> {
    const { entity, slice } = this.view;
    return { ...(entity ? { entity } : {}), ...(slice ? { slice } : {}) };
  }

  private async begin(): Promise<void> {
    for (let wait = 500; ; wait = Math.min(wait * 2, 5_000)) {
      try {
        await this.askDays();
        break;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        const early = error instanceof ApiError && error.status === 503;
        fill(this.main, h("div", { class: "state" }, h("span", { class: "spinner", "aria-hidden": "true" }),
          h("h2", {}, early ? "The daemon is starting" : "No answer from the daemon"),
          h("p", {}, early ? "It has not committed its first epoch yet. The page follows as soon as it has." : text),
          h("p", { class: "hint" }, "Trying again by itself.")));
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    await this.render(false);
  }

  private async askDays(): Promise<void> {
    const { data } = await getJson<{ data: { earliest_date: string | null; latest_date: string | null } }>("/api/dashboard/analytics/date-range");
    this.firstDay = data.earliest_date ?? "";
    const today = this.heard.status?.as_of ?? "";
    const latest = data.latest_date ?? today;
    // Events may be dated in the future; a source that ended long ago ends the range.
    this.lastDay = isDay(today) && today < latest ? today : isDay(latest) ? latest : new Date().toISOString().slice(0, 10);
    this.range = rangeOf(this.view.days, this.lastDay);
  }

  private async render(moved: boolean): Promise<void> {
    this.range = rangeOf(this.view.days, this.lastDay);
    this.drawRange();
    const entity = this.view.entity !== undefined;
    const right = this.page instanceof (entity ? EntityPage : Home);
    const returned = !right && !entity && this.home !== undefined;
    if (!right) {
      if (this.page instanceof Home) this.page.leave(); else this.page?.close();
      this.page = entity ? new EntityPage(this) : (this.home ??= new Home(this));
      this.main.replaceChildren(this.page.root);
    }
    document.title = entity ? document.title : "admetricsd";
    if (moved && !right) window.scrollTo(0, 0);
    const shown = this.page?.show();
    // Where what had the focus is gone, it goes to what came instead.
    if (moved && !right && this.page instanceof EntityPage) this.page.focusHeading();
    else if (returned) this.home?.enter();
    else if (moved && !right) this.main.focus({ preventScroll: true });
    await shown;
    if (returned) this.schedule(0);  // what moved meanwhile
  }

  private onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (!target?.closest(".badge-place") && !this.badgePanel.hidden) this.toggleBadge();
    const link = target?.closest("a");
    if (!link || link.origin !== location.origin || !(link.dataset.home !== undefined || link.dataset.back !== undefined)) return;
    event.preventDefault();
    this.go(link.dataset.home !== undefined ? { ...kUsualView } : {});
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && !this.badgePanel.hidden) {
      this.toggleBadge();
      this.badge.focus();
    }
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("input, select, textarea, dialog")) return;
    if (event.key === "/" && this.page instanceof Home) {
      event.preventDefault();
      this.page.focusFilter();
    }
    if (event.key === "?") showKeys();
    if (event.key === "p") this.toggleLive();
  }

  // --- Days --------------------------------------------------------------------------------------------------------------------------------

  private drawRange(): void {
    const preset = "preset" in this.view.days ? this.view.days.preset : 0;
    for (const button of this.presets.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.preset) === preset));
    fill(this.rangeButton, h("span", { class: "number" }, formats.range(this.range)), h("span", { class: "hidden" }, ", choose other days"));
    this.rangeButton.classList.toggle("chosen", preset === 0);
  }

  private chooseDays(): void {
    const day = (id: string, value: string) => h("input", { id, type: "date", value, required: true, min: this.firstDay || undefined });
    const start = day("start-day", this.range.start);
    const end = day("end-day", this.range.end);
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h("form", { class: "dialog-body days-form", novalidate: true },
      h("div", { class: "days-fields" }, h("label", { for: "start-day" }, "From", start), h("label", { for: "end-day" }, "To", end)),
      h("p", { class: "hint" }, this.firstDay ? `There are numbers from ${formats.dayLong(this.firstDay)} to ${formats.dayLong(this.lastDay)}.` : ""),
      problem,
      h("div", { class: "dialog-actions" }, h("button", { type: "submit", class: "button primary" }, "Show these days")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!isDay(start.value) || !isDay(end.value)) problem.textContent = "Both days are needed.";
      else if (start.value > end.value) problem.textContent = "The first day lies after the last.";
      else if (daysIn({ start: start.value, end: end.value }) > 400) problem.textContent = "At most 400 days at once.";
      else {
        dialog.close();
        this.go({ ...this.stay(), days: { start: start.value, end: end.value } });
      }
    });
    const dialog = openDialog("Days", form);
  }

  // --- What moves ------------------------------------------------------------------------------------------------------------------------

  private onEpoch(event: EpochEvent): void {
    void this.askStatusSoon();
    if (event.keys.length === 0 && !event.more) return;  // an epoch that changed no row
    // A row of other days moves nothing here; the comparison looks as far back again, the trends two weeks.
    const from = [addDays(this.range.start, -daysIn(this.range)), addDays(this.range.end, -13)].sort()[0] ?? "";
    const touches = event.more || event.keys.some((key) => key.date === undefined || (key.date >= from && key.date <= this.range.end) || key.date > this.lastDay);
    if (!touches) return;
    this.waitingEpochs += 1;
    this.drawLive();
    this.schedule();
  }

  private schedule(delay = this.refreshedAt + kRefreshMsMin > performance.now() ? kRefreshMsMin : kFirstMs): void {
    if (!this.live || document.hidden || this.refreshing || this.refreshTimer) {
      this.wanted = this.wanted || this.refreshing;
      return;
    }
    this.refreshTimer = window.setTimeout(() => { this.refreshTimer = 0; void this.refresh(); }, delay);
  }

  private async refresh(): Promise<void> {
    if (!this.page || !this.live || document.hidden) return;
    this.refreshing = true;
    this.wanted = false;
    const epochs = this.waitingEpochs;
    this.waitingEpochs = 0;
    const began = performance.now();
    let failed = false;
    try {
      const last = this.lastDay;
      await this.askDays();
      if (last !== this.lastDay) await this.render(false);
      this.tell(await this.page.refresh());
    } catch {
      failed = true;
      this.waitingEpochs += epochs;
    }
    this.refreshing = false;
    this.refreshedAt = performance.now();
    this.drawLive();
    const took = performance.now() - began;
    if (failed) {
      void this.askStatus();
      this.schedule(3_000);
    } else if (this.wanted || this.waitingEpochs > 0) {
      this.schedule(Math.max(kRefreshMsMin, took * kRefreshLoad));
    }
  }

  /** The latest news, not more often than somebody can listen to. */
  private tell(text: string): void {
    if (!text) return;
    this.told = text;
    const wait = this.toldAt + kAnnounceMs - performance.now();
    if (wait > 0) {
      window.setTimeout(() => { if (this.told === text) this.tell(text); }, wait);
      return;
    }
    this.toldAt = performance.now();
    this.told = "";
    announce(text);
  }

  private toggleLive(): void {
    this.live = !this.live;
    if (this.live && this.waitingEpochs > 0) this.schedule(0);
    this.drawLive();
    announce(this.live ? "Numbers move again" : "Numbers stand still");
  }

  private drawLive(): void {
    const waiting = !this.live && this.waitingEpochs > 0;
    const text = this.live ? "Hold the numbers still" : waiting ? `Let the numbers move: ${this.waitingEpochs} updates wait` : "Let the numbers move";
    if (this.liveButton.title === text) return;
    fill(this.liveButton, icon(this.live ? "pause" : "play"), waiting && h("span", { class: "waiting-count number", "aria-hidden": "true" }, String(this.waitingEpochs)));
    this.liveButton.title = text;
    this.liveButton.setAttribute("aria-label", text);
    this.liveButton.setAttribute("aria-pressed", String(!this.live));
  }

  // --- The badge -------------------------------------------------------------------------------------------------------------------------

  private asking: Promise<void> | undefined;
  private askStatus(): Promise<void> {
    this.asking ??= this.askStatusOnce().finally(() => { this.asking = undefined; });
    return this.asking;
  }

  private async askStatusOnce(): Promise<void> {
    clearTimeout(this.statusTimer);
    const was_failed = this.heard.failed;
    try {
      const status = await getJson<DaemonStatus>("/api/status", AbortSignal.timeout(10_000));
      this.heard = { status, failed: false, at: performance.now() };
      if (was_failed) {
        void this.findExplain();
        this.waitingEpochs += 1;
        this.schedule(0);
      }
    } catch {
      this.heard = { ...this.heard, failed: true };
    }
    this.drawBadge();
    this.statusTimer = window.setTimeout(() => void this.askStatus(), this.heard.failed ? 2_000 : kStatusMs);
  }

  private soon = 0;
  private askStatusSoon(): void {
    if (this.soon) return;
    this.soon = window.setTimeout(() => { this.soon = 0; void this.askStatus(); }, 1_000);
  }

  private now(): Heard {
    const { status, failed, at } = this.heard;
    return status ? { status, failed, secondsAgo: (performance.now() - at) / 1_000 } : { failed };
  }

  private drawnBadge = "";
  private drawBadge(): void {
    const heard = this.now();
    const badge = badgeOf(heard);
    const epoch = heard.status?.last_epoch?.id;
    const text = `${badge.label}${badge.state === "live" && epoch !== undefined ? ` · #${epoch}` : ""}`;
    if (text + badge.tone !== this.drawnBadge) {
      this.drawnBadge = text + badge.tone;
      const held = heard.status?.held_back?.days?.length ?? 0;
      this.badge.dataset.state = badge.state;
      this.badge.dataset.tone = badge.tone;
      fill(this.badge, h("span", { class: "badge-dot", "aria-hidden": "true" }), h("span", { class: "hidden" }, "Freshness: "),
           h("span", { class: "number" }, text), held > 0 && h("span", { class: "badge-held" }, `${held} held`));
      const still = badge.state === "gone" || badge.state === "waiting" || badge.state === "paused";
      this.banner.hidden = !still;
      if (still) fill(this.banner, icon("warning"), h("span", {}, badge.detail));
      document.body.classList.toggle("gone", badge.state === "gone");
      if (this.banner.dataset.state !== badge.state) {
        if (this.banner.dataset.state !== undefined) announce(badge.detail);
        this.banner.dataset.state = badge.state;
      }
    }
    if (!this.badgePanel.hidden) this.drawBadgePanel(heard);
  }

  private drawBadgePanel(heard: Heard): void {
    const badge = badgeOf(heard);
    fill(this.badgePanel, h("p", { class: "badge-detail" }, badge.detail),
      h("dl", {}, ...factsOf(heard, Date.now()).map((fact) => h("div", {}, h("dt", {}, fact.name), h("dd", { class: `number ${fact.tone ?? ""}` }, fact.text)))),
      heard.status && h("p", { class: "hint" }, `Heard ${formats.duration(heard.secondsAgo ?? 0)} ago.`));
  }

  private toggleBadge(): void {
    this.badgePanel.hidden = !this.badgePanel.hidden;
    this.badge.setAttribute("aria-expanded", String(!this.badgePanel.hidden));
    if (!this.badgePanel.hidden) this.drawBadgePanel(this.now());
  }

  /** Asked of the daemon's own description: a request for what is not there would be an error in the browser's log. */
  private async findExplain(): Promise<void> {
    try {
      const described = await getJson<{ paths?: Record<string, unknown> }>("/openapi.json");
      this.explains = described.paths?.["/api/explain"] !== undefined;
    } catch { /* then it is not offered */ }
  }
}

function showKeys(): void {
  const keys: [string, string][] = [
    ["/", "Go to the filter"], ["p", "Hold the numbers still, or let them move"], ["?", "This list"],
    ["↑ ↓ ← →", "Move through the table"], ["→ ←", "On a name: open and close what is below"], ["Enter", "On a heading: sort. On a name: its page. On a number: why"],
    ["Home, End", "First and last column; with Ctrl first and last row"], ["Page Up, Page Down", "A screen of rows"], ["Esc", "Close what is open"],
  ];
  openDialog("Keyboard", h("dl", { class: "dialog-body keys" }, ...keys.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))));
}

void new App().start();
