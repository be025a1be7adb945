import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ScriptedModel } from "../testing/model/scripted-model.ts";
import { startScriptedModel } from "../testing/model/scripted-model.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

/** As a command of somebody else's, so that it is given a way to models. */
const AGENT = `${process.execPath} ${fileURLToPath(new URL("../testing/scripted-agent.js", import.meta.url))}`;
const RUN = ["run", "call {{say: hi}}", "--agent", AGENT, "--containment", "none"];

describe("what a run cost", { timeout: 120_000 }, () => {
  let model: ScriptedModel;
  beforeEach(async () => void (model = await startScriptedModel()));
  afterEach(() => model.close());

  it("L10: is metered by the prices of a file, shown, and unknown without one", async () => {
    const cwd = await makeFolder({ "prices.json": '{"scripted":{"inputUsd":100000,"outputUsd":200000}}' });
    const env = { ANTHROPIC_BASE_URL: model.url };
    const priced = await skein(cwd, [...RUN, "--prices", "prices.json", "--session", "priced"], env);
    expect(priced.exitCode, priced.all).toBe(0);
    // 3 tokens in, 1 out.
    expect((await skein(cwd, ["show", "priced"])).stdout).toContain("4 tokens · $0.50");
    const plain = await skein(cwd, [...RUN, "--session", "plain"], env);
    expect(plain.exitCode, plain.all).toBe(0);
    const shown = (await skein(cwd, ["show", "plain"])).stdout;
    expect(shown).toContain("4 tokens");
    expect(shown).not.toContain("$");
  });

  it("is refused to be told by a file that is none, before anything is made", async () => {
    const cwd = await makeFolder({ "prices.json": '{"scripted":{"inputUsd":1}}' });
    const wrong = await skein(cwd, [...RUN, "--prices", "prices.json"]);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('"scripted" has no outputUsd')]);
    const missing = await skein(cwd, [...RUN, "--prices", "nowhere.json"]);
    expect([missing.exitCode, missing.stderr]).toEqual([2, expect.stringContaining("nowhere.json cannot be read")]);
  });
});
