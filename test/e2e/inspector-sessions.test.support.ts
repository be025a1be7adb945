import { beam, type EventBody, runLoop, type SessionStore } from "skein";
import { createScriptedSandbox } from "skein/testing";

/** Writes one session by hand: its events as they are given, in as few appends as may be. */
export async function writeSession(store: SessionStore, id: string, bodies: readonly EventBody[]): Promise<void> {
  await store.create({ id, kind: "task", labels: { title: id } });
  const writer = await store.openWriter(id);
  for (let at = 0; at < bodies.length; at += 2000) await writer.append(bodies.slice(at, at + 2000));
  await writer.close();
}

const RUN: EventBody = { type: "run.started", kind: "task", task: "Make the tests pass." };

export function tool(
  id: string,
  title: string,
  text: string,
  status: "completed" | "failed" = "completed",
): EventBody[] {
  return [
    { type: "tool.started", toolCallId: id, toolName: "bash", kind: "execute", title, args: { command: title } },
    {
      type: "tool.ended",
      toolCallId: id,
      toolName: "bash",
      status,
      result: { content: [{ type: "content", content: { type: "text", text } }] },
    },
  ];
}

/** A run that works for a while, then fails. */
export function failedRun(): EventBody[] {
  const error = {
    name: "ModelError",
    message: "The model answered 529: overloaded, four times in a row.",
    code: "overloaded",
    kind: "backend",
    stack: "ModelError: The model answered 529\n    at call (model.js:7:9)",
  } as const;
  return [
    RUN,
    ...Array.from({ length: 60 }, (_call, at) =>
      tool(`t${at}`, `npm test ${at}`, at % 9 === 4 ? "1 failed" : "ok", at % 9 === 4 ? "failed" : "completed"),
    ).flat(),
    { type: "backend.failed", backend: "model", error },
    { type: "final", status: "failed", reason: "backend_failed", error, usage: {}, durationMs: 1200 },
  ];
}

/** As many events as a long day of work has: texts in small deltas, thoughts, tools. */
export function longRun(events: number): EventBody[] {
  const bodies: EventBody[] = [RUN];
  for (let at = 0; bodies.length < events - 1; at++) {
    if (at % 40 === 39) bodies.push(...tool(`t${at}`, `npm test -- --shard ${at}`, `shard ${at} passed`));
    else if (at % 40 > 35) bodies.push({ type: "reasoning.delta", text: `step ${at} ` });
    else bodies.push({ type: "text.delta", text: at % 40 === 34 ? ".\n\n" : `word${at} ` });
  }
  bodies.length = events - 1;
  bodies.push({ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1000 });
  return bodies;
}

const letters = ["k", "s", "e", "i", "n"];

/** A beam over scripted boxes: forks, scores, tokens and cost of two models, a patch for every iteration. */
export async function runBeam(store: SessionStore): Promise<string> {
  const sandboxClient = createScriptedSandbox({
    modes: ["memory"],
    agent({ boxNumber, files, memory }) {
      const before = memory.prompts.length === 1 ? "" : Buffer.from(files.read("word")).toString();
      const word = `${before}${letters[boxNumber % 5]}`;
      files.write("word", word);
      const toolCallId = `call-${boxNumber}`;
      return [
        { type: "reasoning.delta", text: "Which letter now?" },
        { type: "tool.started", toolCallId, toolName: "write", title: "write word", kind: "edit" },
        {
          type: "tool.ended",
          toolCallId,
          toolName: "write",
          status: "completed",
          result: { content: [{ type: "diff", path: "/workspace/word", oldText: before, newText: word }] },
        },
        { type: "text.delta", text: `The word is now **${word}**.` },
        {
          type: "usage.reported",
          model: boxNumber % 3 === 0 ? "small" : "large",
          inputTokens: 1000 + boxNumber,
          outputTokens: 100,
          ...(boxNumber % 2 === 0 ? { costUsd: 0.02 } : {}),
        },
        {
          type: "artifact.created",
          name: "workspace.patch",
          mimeType: "text/x-diff",
          content: `diff --git a/word b/word\nnew file mode 100644\n--- /dev/null\n+++ b/word\n@@ -0,0 +1 @@\n+${word}\n`,
        },
      ];
    },
  });
  const goal = "skein";
  const result = await runLoop<string, string, string>({
    store,
    task: "Spell the word, a letter at a time.",
    driver: beam({ width: 2, branch: 3, depth: 3 }),
    agentRun: { profile: { name: "speller" }, taskToPrompt: (task) => task },
    output: {
      parse: (events) =>
        /\*\*(\w+)\*\*/.exec(events.map((event) => (event.type === "text.delta" ? event.text : "")).join(""))?.[1] ??
        "",
    },
    validator: {
      name: "spells-it",
      validate(word) {
        const right = [...word].findIndex((letter, place) => letter !== goal[place]);
        const score = (right === -1 ? word.length : right) / goal.length;
        return { valid: score >= 0.4, score, notes: `${word}: ${score * goal.length} letters right` };
      },
    },
    sandboxClient,
    lineage: { forkFanout: true },
    maxIterations: 20,
  });
  return result.sessionId;
}
