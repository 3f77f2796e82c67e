/** What every page of the page shares: where it is, what it may ask, what it remembers. */

import type { View } from "./address";
import type { Range } from "./days";
import { kNothing, makeFormats, type Formats } from "./format";
import { kUsualColumns, metricOf } from "./metrics";

export interface Shell {
  readonly view: View;
  readonly range: Range;
  readonly formats: Formats;
  /** Whether the daemon can say which raw rows a number is made of. */
  readonly explains: boolean;
  go(change: Partial<View>, how?: "push" | "replace"): void;
  /** The address of another view, for links. */
  address(change: Partial<View>): string;
}

/** A part of the page that lives while its view is shown. */
export interface Page {
  readonly root: HTMLElement;
  /** The view changed: show that. Loads what it lacks. */
  show(): Promise<void>;
  /** The tables changed: load again, mark what differs. Says how much did, for those who listen. */
  refresh(): Promise<string>;
  close(): void;
}

/** Names that were on the screen, by entity: a page is headed by them at once. */
export const knownNames = new Map<string, string>();

export const formats = makeFormats();
export { kNothing };

// --- What is remembered -----------------------------------------------------------------------------------------------------

const kColumnsKey = "admetricsd.columns";
const kTrendKey = "admetricsd.trend";

/** null: it cannot be read, as in a window that keeps nothing. */
function remembered(key: string): string | null {
  try { return localStorage.getItem(key); } catch { return null; }
}

function remember(key: string, value: string): void {
  try { localStorage.setItem(key, value); } catch { /* then it is not remembered */ }
}

export function loadColumns(): string[] {
  try {
    const list: unknown = JSON.parse(remembered(kColumnsKey) ?? "null");
    if (Array.isArray(list)) return list.filter((id): id is string => typeof id === "string" && metricOf(id) !== undefined);
  } catch { /* somebody else's text */ }
  return [...kUsualColumns];
}

export function saveColumns(ids: readonly string[]): void {
  remember(kColumnsKey, JSON.stringify(ids));
}

export function loadTrend(): string {
  return remembered(kTrendKey) ?? "roas";
}

export function saveTrend(id: string): void {
  remember(kTrendKey, id);
}
