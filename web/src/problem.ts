/** What the daemon says is wrong, in its own words where it has any. */
export function messageOf(status: number, text: string): string {
  try {
    const parsed = JSON.parse(text) as { error?: unknown };
    if (typeof parsed.error === "string") return parsed.error;
  } catch { /* not the daemon's own words */ }
  return `The daemon answered ${status}.`;
}
