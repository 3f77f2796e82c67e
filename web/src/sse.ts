/** Server-sent events out of a stream of text, as the HTML standard reads them. */

export interface ServerEvent {
  event: string;
  data: string;
  id?: string;
}

export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | undefined;

  /** The events that `chunk` completes. */
  push(chunk: string): ServerEvent[] {
    const out: ServerEvent[] = [];
    this.rest += chunk;
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r/);
      if (end < 0) break;
      // A final \r may be half of a line's end.
      if (this.rest[end] === "\r" && end === this.rest.length - 1) break;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith("\r\n", end) ? 2 : 1));
      const done = this.line(line);
      if (done) out.push(done);
    }
    return out;
  }

  private line(line: string): ServerEvent | undefined {
    if (line === "") {
      const { event, data, id } = this;
      this.event = "";
      this.data = [];
      if (data.length === 0) return undefined;
      const done: ServerEvent = { event: event || "message", data: data.join("\n") };
      if (id !== undefined) done.id = id;
      return done;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;  // a comment: the heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    if (field === "data") this.data.push(value);
    if (field === "id") this.id = value;
    return undefined;
  }
}
