/**
 * Goes on in a box, then forks it: the first round teaches the agent something, the second continues its conversation,
 * and the third forks the box, so that both branches start from everything that happened before.
 * The agent `scripted` does what the lines of its prompt say.
 */
import { runLoop } from "skein";
import type { Driver, StoredEvent } from "skein";
import { openLocalSandbox } from "skein/sandbox/local";

const rounds = [["remember red"], ["remember green"], ["recall", "remember blue\nrecall"]];

const driver: Driver<string, string, string> = {
  name: "three-rounds",
  plan: (_task, history) => rounds[history.length === 0 ? 0 : (history.at(-1)?.round ?? 0) + 1] ?? [],
  decide: () => "continue",
};

const boxes: string[] = [];
const hear = (event: StoredEvent): void => {
  if (event.type === "box.created") boxes.push("created");
  if (event.type === "box.continued") boxes.push("continued");
  if (event.type === "box.forked") boxes.push(`forked (${event.mode})`);
};

await using sandboxClient = await openLocalSandbox({ directory: "boxes" });
const result = await runLoop({
  task: "",
  driver,
  agentRun: { profile: { name: "pupil", agent: "scripted" }, taskToPrompt: (task) => task },
  output: { parse: (events) => events.map((event) => (event.type === "text.delta" ? event.text : "")).join("") },
  sandboxClient,
  lineage: { sessionContinuity: true, forkFanout: true },
  onEvent: hear,
});

console.log(boxes.join(", "));
for (const { index, parentIndex, output } of result.iterations)
  console.log(index, "from", parentIndex ?? "nothing", "says", output);

// prints: created, continued, forked (files), forked (files)
