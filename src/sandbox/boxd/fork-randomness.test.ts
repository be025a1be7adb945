import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runProcess } from "../../internal/spawn-process.ts";

const PRELOAD = fileURLToPath(new URL("./fork-randomness.cjs", import.meta.url));
const env = { PATH: process.env["PATH"] ?? "", NODE_OPTIONS: `--require=${PRELOAD}` };

/** What a program prints that has loaded the preload. */
async function print(program: string): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), "skein-random-"));
  try {
    const path = join(folder, "program.mjs");
    await writeFile(path, program);
    const { exitCode, stdout, stderr } = await runProcess([process.execPath, path], { env });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return JSON.parse(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("randomness that forks do not share", () => {
  it("stands behind every door of node:crypto and of the web's, for CommonJS, modules and threads", async () => {
    const sources = (await print(`
      import crypto, { randomUUID, randomBytes, getRandomValues, webcrypto } from "node:crypto";
      import { createRequire } from "node:module";
      import { Worker } from "node:worker_threads";
      const required = createRequire("/")("node:crypto");
      const inThread = await new Promise((resolve) => new Worker("require('node:worker_threads').parentPort.postMessage(String(require('node:crypto').randomUUID))", { eval: true }).on("message", resolve));
      console.log(JSON.stringify({ same: randomUUID === required.randomUUID && randomBytes === crypto.randomBytes, inThread: inThread === String(randomUUID),
        web: globalThis.crypto.randomUUID === randomUUID, values: webcrypto.getRandomValues === globalThis.crypto.getRandomValues, math: String(Math.random).includes("native") }));
    `)) as Record<string, boolean>;
    expect(sources).toEqual({ same: true, inThread: true, web: true, values: true, math: false });
  });

  it("gives what Node gives: shapes, bounds, callbacks and complaints", async () => {
    const given = await print(`
      import { randomUUID, randomBytes, randomInt, randomFill, randomFillSync } from "node:crypto";
      import { promisify } from "node:util";
      const fails = (work) => { try { work(); return "nothing"; } catch (error) { return typeof error.code === "string" ? error.code : error.name; } };
      const numbers = Array.from({ length: 20000 }, () => Math.random());
      const draws = Array.from({ length: 2000 }, () => randomInt(3, 6));
      const part = randomFillSync(new Uint16Array(8), 2, 4);
      console.log(JSON.stringify({
        uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(randomUUID({ disableEntropyCache: true })),
        bytes: [randomBytes(0).length, randomBytes(70000).length, (await promisify(randomBytes)(5)).length],
        ints: [[...new Set(draws)].sort(), await promisify(randomInt)(1), randomInt(2 ** 48 - 1) < 2 ** 48],
        fill: [[...part.subarray(0, 2)], [...part.subarray(6)], (await promisify(randomFill)(Buffer.alloc(3))).length],
        math: [numbers.every((n) => n >= 0 && n < 1), new Set(numbers).size, Math.abs(numbers.reduce((a, b) => a + b) / numbers.length - 0.5) < 0.02],
        fails: [fails(() => randomBytes(-1)), fails(() => randomInt(5, 5)), fails(() => randomInt("x")), fails(() => randomFillSync("x")), fails(() => crypto.getRandomValues(new Float32Array(1)))],
      }));
    `);
    expect(given).toEqual({
      uuid: true,
      bytes: [0, 70_000, 5],
      ints: [[3, 4, 5], 0, true],
      fill: [[0, 0], [0, 0], 3],
      math: [true, 20_000, true],
      fails: [
        "ERR_OUT_OF_RANGE",
        "ERR_OUT_OF_RANGE",
        "ERR_INVALID_ARG_TYPE",
        "ERR_INVALID_ARG_TYPE",
        "TypeMismatchError",
      ],
    });
  });
});
