/**
 * How long a stream may be silent. The server says something every 15 seconds, so a connection that is silent for longer is dead,
 * though nobody said so: a network that was left, a router that forgot it.
 */
export const SILENCE_MS = 45_000;

/**
 * The data of the events of an SSE body, in order. Comments, names and ids are left out: an event of a log says itself where it stands.
 * A body that is silent for too long ends like one that was cut off.
 */
export async function* readEventStream(body: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<string> {
  const reader = body.getReader();
  const leave = (): void => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", leave, { once: true });
  // One that fired before would not be heard here.
  if (signal?.aborted === true) leave();
  const decoder = new TextDecoder();
  let line = "";
  let data: string[] = [];
  try {
    for (;;) {
      const silence = setTimeout(leave, SILENCE_MS);
      const { value, done } = await reader.read().finally(() => clearTimeout(silence));
      // What is cut off in the middle of an event is not one.
      if (done) return;
      line += decoder.decode(value, { stream: true });
      const lines = line.split("\n");
      line = lines.pop() ?? "";
      for (const one of lines) {
        if (one === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (one.startsWith("data:")) data.push(one.slice(one.startsWith("data: ") ? 6 : 5));
      }
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    leave();
  }
}
