/** Asking the daemon. One place knows the token, one place tells what went wrong. */

import type { Range } from "./days";
import { messageOf } from "./problem";
import type { Packed } from "./rows";

declare const WORKER_PATH: string;  // the build's

export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
  /** 0: nobody answered. */
  get gone(): boolean { return this.status === 0; }
}

const kTokenKey = "admetricsd.token";
let token = sessionStorage.getItem(kTokenKey) ?? "";
let askForToken: ((wrong: boolean) => Promise<string>) | undefined;
let asking: Promise<void> | undefined;

/** Who shows the dialog that asks for a token. */
export function onTokenNeeded(ask: (wrong: boolean) => Promise<string>): void {
  askForToken = ask;
}

export function headers(): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Asks the reader once, however many requests were refused. `used` is the token that was. */
export async function renewToken(used: string): Promise<void> {
  if (used !== token) return;
  asking ??= (async () => {
    token = (await askForToken?.(used !== "")) ?? "";
    sessionStorage.setItem(kTokenKey, token);
    asking = undefined;
  })();
  await asking;
}

export function currentToken(): string {
  return token;
}

async function answered(path: string, signal?: AbortSignal): Promise<Response> {
  for (;;) {
    const used = token;
    let response: Response;
    try {
      response = await fetch(path, { headers: headers(), ...(signal ? { signal } : {}) });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "The daemon does not answer.");
    }
    if (response.status === 401) {
      await renewToken(used);
      continue;
    }
    return response;
  }
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await answered(path, signal);
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, messageOf(response.status, text));
  return JSON.parse(text) as T;
}

export function query(path: string, values: Record<string, string | undefined>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) out.set(name, value);
  return `${path}?${out}`;
}

// --- Entities, read and flattened off the page's thread ---------------------------------------------------------------------

export interface WorkerQuestion {
  number: number;
  path: string;
  headers: Record<string, string>;
}
export type WorkerAnswer = { number: number; packed: Packed } | { number: number; status: number; message: string };

let worker: Worker | undefined;
let numbers = 0;
const waiting = new Map<number, (answer: WorkerAnswer) => void>();

function ask(path: string): Promise<WorkerAnswer> {
  if (!worker) {
    worker = new Worker(WORKER_PATH);
    worker.onmessage = (event: MessageEvent<WorkerAnswer>) => {
      waiting.get(event.data.number)?.(event.data);
      waiting.delete(event.data.number);
    };
  }
  const question: WorkerQuestion = { number: ++numbers, path, headers: headers() };
  return new Promise((resolve) => {
    waiting.set(question.number, resolve);
    worker?.postMessage(question);
  });
}

export async function getEntities(path: string): Promise<Packed> {
  for (;;) {
    const used = token;
    const answer = await ask(path);
    if ("packed" in answer) return answer.packed;
    if (answer.status !== 401) throw new ApiError(answer.status, answer.message);
    await renewToken(used);
  }
}

export interface DataQuestion {
  range: Range;
  level: string;
  breakdown: string;
  parent?: string;
  entity?: string;
}

export function dataPath(asked: DataQuestion): string {
  return query("/api/dashboard/analytics/data", {
    start_date: asked.range.start, end_date: asked.range.end, group_by: asked.level,
    breakdown: asked.breakdown === "all" ? undefined : asked.breakdown,
    parent_id: asked.parent, entity_id: asked.entity, include_children: "false", include_users: "false",
  });
}

// --- Days ----------------------------------------------------------------------------------------------------------------------

export interface OverviewDay {
  date: string; spend: number; revenue: number; roas: number; profit: number; trials: number; purchases: number;
  impressions: number; clicks: number; is_inactive: boolean;
}
export interface Overview {
  chart_data: OverviewDay[];
  summary: { total_spend: number; total_revenue: number; overall_roas: number; total_trials: number; total_purchases: number };
}

export function getOverview(range: Range, level: string): Promise<Overview> {
  return getJson(query("/api/dashboard/analytics/overview-roas-chart", { start_date: range.start, end_date: range.end, group_by: level }));
}

export interface ChartDay {
  date: string; daily_spend: number; daily_impressions: number; daily_clicks: number; daily_meta_trials: number;
  daily_meta_purchases: number; daily_mixpanel_trials: number; daily_mixpanel_purchases: number; daily_mixpanel_conversions: number;
  daily_mixpanel_revenue: number; daily_mixpanel_refunds: number; daily_estimated_revenue: number; daily_adjusted_revenue: number;
  daily_roas: number; daily_profit: number; daily_trial_accuracy: number; daily_purchase_accuracy: number; is_inactive: boolean;
}

export interface ChartQuestion {
  type: string;
  id: string;
  breakdown?: string;
  value?: string;
}

export async function getChart(asked: ChartQuestion, range: Range): Promise<ChartDay[]> {
  const answer = await getJson<{ chart_data: ChartDay[] }>(query("/api/dashboard/analytics/chart-data", {
    start_date: range.start, end_date: range.end, entity_type: asked.type, entity_id: asked.id, breakdown: asked.breakdown,
    breakdown_value: asked.value,
  }));
  return answer.chart_data;
}
