/**
 * A driver of one's own: it tries one sample, then two, then four, until one is valid. It keeps no state but the history that it is given,
 * and the loop cuts a round that is larger than what `maxIterations` leaves.
 */
import { runLoop } from "skein";
import type { Box, Driver, SandboxClient } from "skein";

function widen<Task, Output>(): Driver<Task, Output, "continue" | "done"> {
  return {
    name: "widen",
    plan(task, history) {
      const round = (history.at(-1)?.round ?? -1) + 1;
      return { tasks: Array.from({ length: 2 ** round }, () => task), rationale: `${2 ** round} at once` };
    },
    decide: (history) => (history.some(({ verdict }) => verdict?.valid) ? "done" : "continue"),
  };
}

let thrown = 0;

/** Each box throws a die, in a fixed order so that this example always prints the same. */
const sandboxClient: SandboxClient = {
  async create(): Promise<Box> {
    const eyes = [2, 5, 1, 3, 6, 4, 2][thrown++] ?? 1;
    return {
      id: `die-${thrown}`,
      async *streamPrompt() {
        yield { type: "text.delta", text: String(eyes) };
      },
      async delete() {},
    };
  },
};

const result = await runLoop({
  task: "Throw a six.",
  driver: widen<string, number>(),
  agentRun: { profile: { name: "die" }, taskToPrompt: (task) => task },
  output: { parse: (events) => Number(events.find((event) => event.type === "text.delta")?.text) },
  validator: { validate: (eyes) => ({ valid: eyes === 6, score: eyes }) },
  sandboxClient,
  maxIterations: 20,
  onEvent: (event) => {
    if (event.type === "round.planned") console.log(`round ${event.round}: ${event.rationale}`);
  },
});

console.log(`${result.status} after ${result.iterations.length}: ${result.winner?.output}`);

// prints: round 2: 4 at once
// prints: completed after 7: 6
