import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import {
  type AcpAgentHandlers,
  type AcpClientDoor,
  acpInvalidParams,
  acpInvalidRequest,
  type AcpPromptRequest,
  type AcpPromptResponse,
  acpSessionNotFound,
} from "../acp/acp-agent-side.ts";
import { parseRepairLimits } from "./repair-limits.ts";
import { runRepairTurn } from "./run-repair-turn.ts";
import { EditJournal } from "./session/edit-journal.ts";
import { MemoryFolder, type RepairMemory } from "./session/repair-memory.ts";
import { toRepairMeta } from "./turn-end.ts";
import { TurnNarrator } from "./turn-narrator.ts";

interface LiveSession {
  readonly memory: RepairMemory;
  readonly root: string;
  readonly meta: unknown;
}

const META = "skein/repair";

export interface RepairAgent {
  readonly handlers: AcpAgentHandlers;
  /** Aborts the running turn, if there is one, and resolves when its half-try is taken back. */
  stop(): Promise<void>;
}

/** The repair agent as ACP sees it: sessions that are kept in `home`, and turns over the package in a session's `cwd`. */
export function createRepairAgent(home: string, env: NodeJS.ProcessEnv): RepairAgent {
  const folder = new MemoryFolder(home);
  const sessions = new Map<string, LiveSession>();
  // One at a time: sessions of one process share the workspace, and two searches in it would test each other's edits.
  let running:
    | { readonly sessionId: string; readonly abort: AbortController; readonly ended: Promise<unknown> }
    | undefined;

  const open = async (request: {
    sessionId: string;
    cwd: string;
    _meta?: Record<string, unknown> | null;
  }): Promise<RepairMemory> => {
    await checkFolder(request.cwd);
    const memory = sessions.get(request.sessionId)?.memory ?? (await folder.load(request.sessionId));
    if (!memory) throw acpSessionNotFound(request.sessionId);
    if (running?.sessionId !== request.sessionId) await new EditJournal(request.cwd, folder, memory).recover();
    sessions.set(request.sessionId, { memory, root: request.cwd, meta: request._meta?.[META] });
    return memory;
  };

  const handlers: AcpAgentHandlers = {
    initialize: async () => ({
      protocolVersion: 1,
      agentInfo: { name: "skein-repair", title: "Skein's repair agent", version: "1" },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: {},
        sessionCapabilities: { list: {}, resume: {}, close: {} },
      },
      authMethods: [],
    }),

    newSession: async ({ cwd, _meta }) => {
      await checkFolder(cwd);
      const memory = folder.create(randomUUID());
      await folder.save(memory);
      sessions.set(memory.sessionId, { memory, root: cwd, meta: _meta?.[META] });
      return { sessionId: memory.sessionId };
    },

    loadSession: async (request, client) => {
      const memory = await open(request);
      for (const { role, text } of memory.messages) {
        const content = { type: "text" as const, text };
        await client.update(request.sessionId, {
          sessionUpdate: role === "user" ? "user_message_chunk" : "agent_message_chunk",
          content,
        });
      }
      return {};
    },

    resumeSession: async (request) => {
      await open(request);
      return {};
    },

    // The memory names no folder, for a copy of it lives elsewhere: every session is one of the folder that is asked about.
    listSessions: async ({ cwd }) => ({
      sessions: (await folder.list()).map((memory) => ({
        sessionId: memory.sessionId,
        cwd: cwd ?? process.cwd(),
        title: memory.messages[0]?.text.slice(0, 80) ?? null,
        updatedAt: new Date(memory.updatedAt).toISOString(),
      })),
    }),

    closeSession: async ({ sessionId }) => {
      if (running?.sessionId === sessionId) running.abort.abort();
      sessions.delete(sessionId);
    },

    prompt: async (request, client, signal) => {
      const session = sessions.get(request.sessionId);
      if (!session) throw acpSessionNotFound(request.sessionId);
      if (running) throw acpInvalidRequest("A prompt is running already; cancel it or wait for its end.");
      const abort = new AbortController();
      const turn = answer(request, client, session, AbortSignal.any([abort.signal, signal]));
      running = { sessionId: request.sessionId, abort, ended: turn };
      try {
        return await turn;
      } finally {
        running = undefined;
      }
    },

    cancel: (sessionId) => {
      if (running?.sessionId === sessionId) running.abort.abort();
    },
  };

  return {
    handlers,
    stop: async () => {
      running?.abort.abort();
      await running?.ended.catch(() => {});
    },
  };

  async function answer(
    request: AcpPromptRequest,
    client: AcpClientDoor,
    session: LiveSession,
    signal: AbortSignal,
  ): Promise<AcpPromptResponse> {
    const { memory, root } = session;
    const prompt = request.prompt
      .map((block) => (block.type === "text" ? block.text : ""))
      .join("\n")
      .trim();
    memory.turns += 1;
    memory.messages.push({ role: "user", text: prompt });
    await folder.save(memory);
    const narrator = new TurnNarrator(client, memory.sessionId, `turn-${memory.turns}`);
    const limits = parseRepairLimits(env, session.meta, request._meta?.[META]);
    try {
      const end = await runRepairTurn({ root, memory, folder, limits, narrator, signal, prompt });
      return { stopReason: end.cancelled ? "cancelled" : "end_turn", _meta: { [META]: toRepairMeta(end, memory) } };
    } finally {
      memory.messages.push({ role: "agent", text: narrator.said });
      await folder.save(memory);
    }
  }
}

async function checkFolder(cwd: string): Promise<void> {
  const isFolder =
    isAbsolute(cwd) &&
    (await stat(cwd).then(
      (entry) => entry.isDirectory(),
      () => false,
    ));
  if (!isFolder) throw acpInvalidParams(`cwd is not the absolute path of a folder: ${cwd}`);
}
