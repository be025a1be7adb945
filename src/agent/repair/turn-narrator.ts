import type { AcpClientDoor, AcpSessionUpdate } from "../acp/acp-agent-side.ts";

type PlanStatus = "pending" | "in_progress" | "completed";
type ToolKind = "execute" | "edit" | "search";

const STEPS = [
  "Run the tests",
  "Find the code that the failing tests execute",
  "Try small edits, the likeliest first",
  "Say what was found",
] as const;

/** Tells a person what a turn is doing, as ACP session updates. Keeps what it said, for the conversation's memory. */
export class TurnNarrator {
  readonly #client: AcpClientDoor;
  readonly #sessionId: string;
  readonly #prefix: string;
  #said = "";
  #tools = 0;

  /** `prefix` keeps the ids of this turn's tool calls apart from those of other turns of the session. */
  constructor(client: AcpClientDoor, sessionId: string, prefix: string) {
    this.#client = client;
    this.#sessionId = sessionId;
    this.#prefix = prefix;
  }

  get said(): string {
    return this.#said;
  }

  async say(text: string): Promise<void> {
    this.#said += text;
    await this.#send({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } });
  }

  async think(text: string): Promise<void> {
    await this.#send({ sessionUpdate: "agent_thought_chunk", content: { type: "text", text } });
  }

  /** Steps before `current` are done, those after it are still to come; past the last step all are done. */
  async step(current: number): Promise<void> {
    const status = (index: number): PlanStatus =>
      index < current ? "completed" : index === current ? "in_progress" : "pending";
    await this.#send({
      sessionUpdate: "plan",
      entries: STEPS.map((content, index) => ({ content, priority: "medium" as const, status: status(index) })),
    });
  }

  /** Begins a tool call and returns the function that ends it. */
  async tool(
    title: string,
    kind: ToolKind,
    place?: { readonly path: string; readonly line: number },
  ): Promise<EndTool> {
    this.#tools += 1;
    const toolCallId = `${this.#prefix}-${this.#tools}`;
    await this.#send({
      sessionUpdate: "tool_call",
      toolCallId,
      title,
      kind,
      status: "in_progress",
      ...(place ? { locations: [place] } : {}),
    });
    return async ({ text, failed, diff, output }) => {
      await this.#send({
        sessionUpdate: "tool_call_update",
        toolCallId,
        status: failed ? "failed" : "completed",
        content: [
          { type: "content", content: { type: "text", text } },
          ...(diff ? [{ type: "diff" as const, ...diff }] : []),
        ],
        ...(output === undefined ? {} : { rawOutput: output }),
      });
    };
  }

  async #send(update: AcpSessionUpdate): Promise<void> {
    await this.#client.update(this.#sessionId, update);
  }
}

export type EndTool = (result: {
  readonly text: string;
  readonly failed?: boolean;
  readonly diff?: { readonly path: string; readonly oldText: string; readonly newText: string };
  readonly output?: Record<string, unknown>;
}) => Promise<void>;
