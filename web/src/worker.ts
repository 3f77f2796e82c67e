/** Reads large answers beside the page's thread, so that scrolling never waits for them. */

import type { WorkerAnswer, WorkerQuestion } from "./api";
import { messageOf } from "./problem";
import { pack } from "./rows";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<WorkerQuestion>) => void) | null;
  postMessage(message: WorkerAnswer, transfer: Transferable[]): void;
};

async function answer({ number, path, headers }: WorkerQuestion): Promise<void> {
  let status = 0;
  try {
    const response = await fetch(path, { headers });
    status = response.status;
    const text = await response.text();
    if (!response.ok) return scope.postMessage({ number, status, message: messageOf(status, text) }, []);
    const { data } = JSON.parse(text) as { data: Parameters<typeof pack>[0] };
    const packed = pack(data);
    scope.postMessage({ number, packed }, [packed.numbers.buffer, packed.trends.buffer]);
  } catch (error) {
    scope.postMessage({ number, status: 0, message: status === 0 ? "The daemon does not answer." : String(error) }, []);
  }
}

scope.onmessage = (event) => void answer(event.data);
