/** What an SSE stream says when there is nothing to say, so that those in between do not take it for dead. */
const HEARTBEAT_MS = 15_000;

const encoder = new TextEncoder();
const HEARTBEAT = encoder.encode(": \n\n");

export interface EventStreamOptions {
  /** Ends the stream from this side: the server shuts down. */
  readonly signal: AbortSignal;
  readonly onEnd?: () => void;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 15,000. */
  readonly heartbeatMs?: number;
}

/** One Server-Sent Event. */
export function toEventFrame(event: {
  readonly id?: string | number;
  readonly event?: string;
  readonly data: string;
}): string {
  const id = event.id === undefined ? "" : `id: ${event.id}\n`;
  const name = event.event === undefined ? "" : `event: ${event.event}\n`;
  const data = /[\r\n]/.test(event.data) ? event.data.replaceAll(/\r\n|\r|\n/g, "\ndata: ") : event.data;
  return `${id}${name}data: ${data}\n\n`;
}

/**
 * Frames as an answer that goes on. Pulled, so that a slow reader holds back only its own stream; a heartbeat is sent only where the reader
 * has taken what it got before.
 *
 * @param open begins the frames; its signal fires when the reader left or the server shuts down
 */
export function eventStreamResponse(
  open: (signal: AbortSignal) => AsyncIterator<string | Uint8Array, void>,
  options: EventStreamOptions,
): Response {
  const over = new AbortController();
  let heartbeat: NodeJS.Timeout | undefined;
  const end = (): void => {
    if (over.signal.aborted) return;
    over.abort();
    clearInterval(heartbeat);
    options.signal.removeEventListener("abort", end);
    options.onEnd?.();
  };
  const frames = open(over.signal);
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // Something goes out at once, so that the reader knows that it is connected.
        controller.enqueue(HEARTBEAT);
        heartbeat = setInterval(() => {
          if (!over.signal.aborted && (controller.desiredSize ?? 0) > 0) controller.enqueue(HEARTBEAT);
        }, options.heartbeatMs ?? HEARTBEAT_MS);
        heartbeat.unref();
      },
      async pull(controller) {
        try {
          const { value, done } = await frames.next();
          if (done === true) {
            end();
            controller.close();
          } else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      cancel: end,
    },
    { highWaterMark: 2 },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
      ...options.headers,
    },
  });
}
