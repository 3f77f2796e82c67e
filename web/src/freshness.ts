/** What the badge says: how far the numbers on the screen may be from the source, and nothing kinder than that. */

import { durationText } from "./format";

/** What `/api/status` says, as far as it is looked at. Members that this version of the daemon does not have are absent. */
export interface DaemonStatus {
  phase?: string;
  as_of?: string;
  version?: string;
  caught_up?: boolean;
  written_at?: string;
  lag?: { records?: number; seconds?: number };
  last_epoch?: { id?: number; at?: string; rows_written?: number; duration_ms?: number } | null;
  last_error?: string | null;
  last_verification?: Record<string, unknown> | null;
  held_back?: { days?: { day?: string; since?: string }[]; users?: number; everyone?: boolean };
  backfill?: { state?: string; items_done?: number; items_total?: number; seconds_left?: number | null } | null;
  rejects?: { table?: string; reason?: string; rows?: number }[];
  unmapped?: { breakdown?: string; value?: string; rows?: number }[];
  sinks?: { error?: string | null }[];
}

export type Tone = "good" | "busy" | "warn" | "bad";

export interface Badge {
  state: "connecting" | "live" | "catching-up" | "behind" | "waiting" | "paused" | "stopping" | "gone";
  tone: Tone;
  label: string;
  /** One sentence: what it means for the numbers. */
  detail: string;
}

export interface Heard {
  /** The last answer of the daemon, and the seconds since then. */
  status?: DaemonStatus;
  secondsAgo?: number;
  /** Whether the last attempt to ask failed. */
  failed: boolean;
}

const kBehindSeconds = 10;
const kSilentSeconds = 30;

export function badgeOf(heard: Heard): Badge {
  const { status } = heard;
  const ago = heard.secondsAgo ?? 0;
  if (!status) {
    return heard.failed
      ? { state: "gone", tone: "bad", label: "No answer", detail: "The daemon does not answer. Nothing can be shown until it does." }
      : { state: "connecting", tone: "busy", label: "Connecting", detail: "Asking the daemon how it stands." };
  }
  if (heard.failed || ago > kSilentSeconds) {
    return { state: "gone", tone: "bad", label: `Gone for ${durationText(ago)}`,
             detail: `The daemon has not answered for ${durationText(ago)}. The numbers are those of its last answer and do not move.` };
  }
  const error = status.last_error ?? status.sinks?.find((sink) => sink.error)?.error ?? "";
  const lag = status.lag?.seconds ?? 0;
  const records = status.lag?.records ?? 0;
  switch (status.phase) {
    case "starting":
    case "catching_up":
      return { state: "catching-up", tone: "busy", label: "Catching up",
               detail: "The daemon is reading what changed while it was away. The numbers are those of its last run until it is done." };
    case "waiting":
      return { state: "waiting", tone: "bad", label: "Waiting",
               detail: error ? `The daemon cannot go on: ${error}` : "The daemon cannot go on, and tries again." };
    case "paused":
      return { state: "paused", tone: "warn", label: "Paused", detail: error || "The daemon is paused. The numbers do not move." };
    case "stopping":
      return { state: "stopping", tone: "warn", label: "Stopping", detail: "The daemon is shutting down." };
    default:
  }
  if (lag > kBehindSeconds) {
    return { state: "behind", tone: "warn", label: `Behind by ${durationText(lag)}`,
             detail: `The oldest change that is not in these numbers has waited ${durationText(lag)}` +
                     (records > 0 ? `; ${records.toLocaleString()} changes wait.` : ".") };
  }
  return { state: "live", tone: "good", label: "Live", detail: "Every change of the source shows here within a moment." };
}

export interface Fact {
  name: string;
  text: string;
  tone?: Tone;
}

/** `at` is UTC as the daemon writes it, with a space and no zone. */
export function millisOfTime(at: string | undefined): number {
  if (!at) return Number.NaN;
  return Date.parse(/Z$|[+-]\d\d:\d\d$/.test(at) ? at : at.replace(" ", "T") + "Z");
}

/** The badge's panel, line by line. `now` in milliseconds. */
export function factsOf(heard: Heard, now: number): Fact[] {
  const { status } = heard;
  if (!status) return [];
  const facts: Fact[] = [];
  const lag = status.lag?.seconds ?? 0;
  const records = status.lag?.records ?? 0;
  facts.push({ name: "Lag", text: records === 0 && lag === 0 ? "none" : `${durationText(lag)}, ${records.toLocaleString()} changes waiting`,
               ...(lag > kBehindSeconds ? { tone: "warn" as const } : {}) });
  const epoch = status.last_epoch;
  if (epoch) {
    const ago = (now - millisOfTime(epoch.at)) / 1000;
    facts.push({ name: "Last epoch", text: `#${epoch.id ?? "?"}, ${durationText(Math.max(0, ago))} ago, ` +
                       `${(epoch.rows_written ?? 0).toLocaleString()} rows in ${Math.round(epoch.duration_ms ?? 0)} ms` });
  } else {
    facts.push({ name: "Last epoch", text: "none in this run yet" });
  }
  facts.push(heldFact(status));
  const backfill = status.backfill;
  if (backfill?.items_total && (backfill.items_done ?? 0) < backfill.items_total) {
    facts.push({ name: "Backfill", text: `${backfill.state ?? ""}, ${Math.floor((100 * (backfill.items_done ?? 0)) / backfill.items_total)} %` });
  }
  facts.push(verificationFact(status, now));
  if (status.as_of) facts.push({ name: "Reporting day", text: status.as_of });
  const rejected = (status.rejects ?? []).reduce((sum, entry) => sum + (entry.rows ?? 0), 0);
  facts.push({ name: "Unreadable rows", text: rejected === 0 ? "none" : `${rejected.toLocaleString()} source rows are left out`,
               ...(rejected > 0 ? { tone: "warn" as const } : {}) });
  const unmapped = status.unmapped?.length ?? 0;
  if (unmapped > 0) facts.push({ name: "Unmapped values", text: `${unmapped} count under their own name`, tone: "warn" });
  if (status.last_error) facts.push({ name: "Last error", text: status.last_error, tone: "warn" });
  if (status.version) facts.push({ name: "Version", text: status.version });
  return facts;
}

function heldFact(status: DaemonStatus): Fact {
  const held = status.held_back;
  if (!held) return { name: "Held days", text: "this daemon holds none back" };
  const days = (held.days ?? []).map((entry) => entry.day ?? "?");
  if (days.length === 0) return { name: "Held days", text: "none" };
  return { name: "Held days", tone: "warn",
           text: `${days.join(", ")}: the source is loading ${days.length === 1 ? "it" : "them"} again, so ` +
                 `${held.everyone ? "every user" : `${(held.users ?? 0).toLocaleString()} users`} wait for the whole of it` };
}

function verificationFact(status: DaemonStatus, now: number): Fact {
  const last = status.last_verification;
  if (!last) return { name: "Verified", text: "not since it started; `admetricsd verify` does it" };
  const at = last.at ?? last.finished_at ?? last.verified_at;
  const when = typeof at === "string" ? `, ${durationText(Math.max(0, (now - millisOfTime(at)) / 1000))} ago` : "";
  const equal = last.equal ?? last.result ?? last.verdict;
  if (equal === true || equal === "equal") return { name: "Verified", text: `equal to a full recomputation${when}`, tone: "good" };
  if (equal === false || equal === "different" || equal === "differs") {
    const count = last.differences ?? last.rows_different;
    return { name: "Verified", text: `differs from a full recomputation${when}${typeof count === "number" ? ` in ${count} rows` : ""}`, tone: "bad" };
  }
  return { name: "Verified", text: `${String(equal ?? "unknown result")}${when}`, tone: "warn" };
}
