/** CSV as RFC 4180 has it, safe to open in a spreadsheet. */

/** A text that begins like a formula would be run by a spreadsheet; a leading apostrophe makes it a text there. */
function harmless(text: string): string {
  return /^[=+\-@\t\r\n]/.test(text) || /^\s*[=+\-@]/.test(text) ? `'${text}` : text;
}

function cell(value: string | number): string {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = harmless(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** With the mark that makes spreadsheets read UTF-8. */
export function csvOf(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return "\ufeff" + [header, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

/** Letters, digits, dots and dashes only. */
export function fileName(...parts: string[]): string {
  return parts.map((part) => part.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^-+|-+$/g, "")).filter(Boolean).join("_") + ".csv";
}
