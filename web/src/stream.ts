/** The daemon's events. A stream of its own making and not EventSource, which cannot carry a token. */

import { currentToken, headers, renewToken } from "./api";
import { EventParser } from "./sse";

export interface EpochEvent {
  epoch: number;
  committed_at: string;
  rows_inserted: number;
  rows_updated: number;
  rows_deleted: number;
  keys: { kind: string; entity_type: string; entity_id: string; date?: string }[];
  more: boolean;
}

export interface StreamListener {
  onOpen(): void;
  onEpoch(event: EpochEvent): void;
  /** Events were missed: everything has to be asked for again. */
  onReload(): void;
  onLost(): void;
}

const kFirstRetryMs = 500;
const kRetryMsMax = 5_000;
const kSilenceMs = 40_000;  // the daemon sends a heartbeat every 15 s

export function listen(listener: StreamListener): void {
  void run(listener);
}

async function run(listener: StreamListener): Promise<never> {
  let lastId = "";
  let retry = kFirstRetryMs;
  for (;;) {
    try {
      const used = currentToken();
      const abort = new AbortController();
      const response = await fetch("/api/stream", {
        headers: { ...headers(), ...(lastId ? { "Last-Event-ID": lastId } : {}) }, cache: "no-store", signal: abort.signal,
      });
      if (response.status === 401) {
        await renewToken(used);
        continue;
      }
      if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const parser = new EventParser();
      listener.onOpen();
      for (;;) {
        const silence = setTimeout(() => abort.abort(), kSilenceMs);
        const { done, value } = await reader.read().finally(() => clearTimeout(silence));
        if (done) break;
        retry = kFirstRetryMs;
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          if (event.id) lastId = event.id;
          if (event.event === "epoch") listener.onEpoch(JSON.parse(event.data) as EpochEvent);
          if (event.event === "reload") listener.onReload();
        }
      }
    } catch { /* tried again below */ }
    listener.onLost();
    await new Promise((resolve) => setTimeout(resolve, retry));
    retry = Math.min(retry * 2, kRetryMsMax);
  }
}
