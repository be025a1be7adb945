/**
 * Takes the best of k independent samples. Without lineage flags nothing is shared: every sample has a box of its own, made for it and deleted after it.
 * The box here is a stand-in of a few lines; any sandbox will do.
 */
import { randomK, runLoop } from "skein";
import type { Box, SandboxClient } from "skein";

const answers = ["four", "3.9", "4", "about 4"];
let open = 0;

const sandboxClient: SandboxClient = {
  async create(): Promise<Box> {
    const text = answers.shift() ?? "?";
    open++;
    return {
      id: `box-${text}`,
      async *streamPrompt() {
        yield { type: "text.delta", text };
        yield { type: "usage.reported", outputTokens: text.length };
      },
      async delete() {
        open--;
      },
    };
  },
};

const result = await runLoop<string, string, string>({
  task: "What is 2 + 2? Answer with a number.",
  driver: randomK(4),
  agentRun: { profile: { name: "guesser" }, taskToPrompt: (task) => task },
  output: { parse: (events) => events.map((event) => (event.type === "text.delta" ? event.text : "")).join("") },
  validator: {
    validate(answer) {
      const off = Math.abs(Number(answer) - 4);
      return Number.isNaN(off) ? { valid: false, score: 0 } : { valid: true, score: 1 / (1 + off) };
    },
  },
  sandboxClient,
  maxConcurrency: 2,
});

console.log(`winner: ${result.winner?.output} of ${result.iterations.length}`);
console.log(`tokens: ${result.usage.outputTokens}, cost: ${result.usage.costUsd ?? "unknown"}`);
console.log(`boxes left: ${open}`);

// prints: winner: 4 of 4
// prints: tokens: 15, cost: unknown
// prints: boxes left: 0
