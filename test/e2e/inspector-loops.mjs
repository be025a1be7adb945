// What the test beside this file lets `skein serve --tasks` offer: a loop over real boxes whose second round has two branches that ask.
import { join } from "node:path";
import { fanout } from "skein";
import { openLocalSandbox } from "skein/sandbox/local";
import { defineLoop } from "skein/server";

const sandboxClient = await openLocalSandbox({ directory: join(process.cwd(), "boxes"), containment: "none" });

const textOf = (events) => events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

export const loops = {
  branches: defineLoop({
    description: "prepares, then parts in two",
    settings: ({ prompt }) => ({
      task: { lines: `say ${String(prompt)}\nremember before` },
      driver: fanout({
        k: 2,
        prepare: true,
        rounds: 2,
        split: (_task, k) =>
          Array.from({ length: k }, (_, branch) => ({
            lines: `write notes.txt ${branch}\npermission go on with branch ${branch}\nsay recalls:\nrecall`,
          })),
      }),
      agentRun: {
        profile: { name: "scripted", agent: "scripted", permissions: "ask" },
        taskToPrompt: ({ lines }) => lines,
        box: { claimMs: 300_000 },
      },
      output: { parse: textOf },
      validator: { validate: (text) => ({ valid: text.includes("recalls:"), score: text.length / 1000 }) },
      sandboxClient,
      lineage: { forkFanout: true, checkpoints: "every-round" },
    }),
  }),
};
