import type { Readable, Writable } from "node:stream";
import type * as acp from "@agentclientprotocol/sdk/unstable";

/** What the reader of an agent's stdout reports beside the messages that it passes on. */
export interface AcpLineListener {
  /** Called for every message, before it is passed on: the agent is alive. */
  onSign(): void;
  /**
   * A `session/update`. It is taken here, before the SDK: in order with the answers, at no cost per delta, and without
   * the SDK's schemas, which drop updates that they do not know.
   */
  onUpdate(sessionId: string, update: Record<string, unknown>): void;
  /** The answer to a prompt came by: what follows it, even in the same breath, is no part of the turn. */
  onTurnAnswered(): void;
  /** A line that is not JSON-RPC. */
  onGarbage(line: string): void;
  /** A line longer than the limit; the stream has ended. */
  onTooLong(): void;
}

/**
 * Newline-delimited JSON-RPC over an agent's pipes. Unlike the SDK's own stream it does not answer a line that is not JSON
 * with a parse error: a banner on stdout is a bad habit, not a request.
 */
export function createAcpLineStream(
  streams: { readonly stdin: Writable; readonly stdout: Readable },
  listener: AcpLineListener,
  maxLineBytes: number,
): acp.Stream {
  let open = true;
  let promptId: acp.JsonRpcId | undefined;
  const readable = new ReadableStream<acp.AnyMessage>({
    cancel() {
      open = false;
    },
    start(controller) {
      let parts: Buffer[] = [];
      let size = 0;
      const close = (): void => {
        if (!open) return;
        open = false;
        controller.close();
      };
      const take = (line: Buffer): void => {
        const text = line.toString("utf8").trim();
        if (text === "") return;
        const message = parseMessage(text);
        if (message === undefined) return listener.onGarbage(text);
        listener.onSign();
        const update = toUpdate(message);
        if (update !== undefined) listener.onUpdate(update.sessionId, update.update);
        else {
          if (promptId !== undefined && !("method" in message) && message.id === promptId) listener.onTurnAnswered();
          controller.enqueue(message);
        }
      };
      streams.stdout.on("data", (chunk: Buffer) => {
        let start = 0;
        for (let end = chunk.indexOf(10); open && end !== -1; end = chunk.indexOf(10, start)) {
          parts.push(chunk.subarray(start, end));
          const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
          parts = [];
          size = 0;
          start = end + 1;
          take(line);
        }
        if (!open) return;
        if (start < chunk.length) {
          parts.push(chunk.subarray(start));
          size += chunk.length - start;
        }
        if (size > maxLineBytes) {
          parts = [];
          listener.onTooLong();
          close();
        }
      });
      streams.stdout.once("close", close);
      streams.stdout.once("end", close);
    },
  });
  const writable = new WritableStream<acp.AnyMessage>({
    write(message) {
      if ("method" in message && "id" in message && message.method === "session/prompt") promptId = message.id;
      return new Promise((resolve) => {
        // A pipe that is closed is reported by the end of the process.
        if (!streams.stdin.writable) return resolve();
        streams.stdin.write(`${JSON.stringify(message)}\n`, () => resolve());
      });
    },
  });
  return { readable, writable };
}

function parseMessage(text: string): acp.AnyMessage | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(text) as { jsonrpc?: unknown };
    return value.jsonrpc === "2.0" ? (value as acp.AnyMessage) : undefined;
  } catch {
    return undefined;
  }
}

function toUpdate(message: acp.AnyMessage): { sessionId: string; update: Record<string, unknown> } | undefined {
  if (!("method" in message) || message.method !== "session/update" || "id" in message) return undefined;
  const { sessionId, update, ...rest } = (message.params ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof sessionId !== "string" || typeof update !== "object" || update === null) return undefined;
  const fields = update as Record<string, unknown>;
  // What is said around an update, such as `_meta`, is one more thing that is said of it.
  return { sessionId, update: Object.keys(rest).length === 0 ? fields : { ...fields, notification: rest } };
}
