import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect, take, textIn } from "../../testing/box-events.ts";
import type { ScriptedModel } from "../../testing/model/scripted-model.ts";
import { startScriptedModel } from "../../testing/model/scripted-model.ts";
import type { AgentProfile } from "../../agent/agent.ts";
import type { BoxGateway } from "../box-gateway.ts";
import type { ModelGatewayOptions } from "../gateway/index.ts";
import { createModelGateway } from "../gateway/index.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

const KEY = "real-key-of-the-host";
const profile = { name: "scripted", agent: "scripted" };
const usage = { model: "scripted", inputTokens: 3, outputTokens: 1, cachedTokens: 0 };

const canContain = await canContainHere();

describe.each(["require", "none"] as const)("a box's way to models (containment: %s)", (containment) => {
  // A machine without bubblewrap has no contained boxes.
  describe.skipIf(containment === "require" && !canContain)("through the gateway", () => {
    let directory: string;
    let model: ScriptedModel;
    const clients: LocalSandboxClient[] = [];

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "skein-gateway-"));
      model = await startScriptedModel({ key: KEY });
    });
    afterEach(async () => {
      const [client] = clients;
      for (const { id } of (await client?.list()) ?? []) await (await client?.attach(id))?.delete();
      for (const one of clients.splice(0)) await one.close();
      await model.close();
      await rm(directory, { recursive: true, force: true });
    });

    const toGateway = (options: Partial<ModelGatewayOptions> = {}): BoxGateway =>
      createModelGateway({ upstreams: [{ api: "anthropic", baseUrl: model.url, key: KEY }], ...options });
    const open = async (gateway?: BoxGateway): Promise<LocalSandboxClient> => {
      const client = await openLocalSandbox({ directory, containment, ...(gateway === undefined ? {} : { gateway }) });
      clients.push(client);
      return client;
    };

    it("B1: a model answers, is metered into the turn, and the box never sees the key", async () => {
      const box = await (await open()).create({ profile, gateway: toGateway() });
      const events = await collect(box.streamPrompt("call {{say: hi}}"));
      expect(textIn(events)).toBe("200 hi");
      expect(events).toContainEqual({ type: "usage.reported", ...usage });
      const { stdout } = await box.exec([
        "sh",
        "-c",
        "env; grep -ra real-key- . $HOME /run/box /proc/*/environ 2>/dev/null",
      ]);
      expect(stdout).toContain("ANTHROPIC_API_KEY=key_");
      expect(stdout).not.toContain(KEY);
    });

    it("L10: the cost is told where the profile has the model's price, over the gateway's, and by no made-up one", async () => {
      const gateway = toGateway({ prices: { scripted: { inputUsd: 1, outputUsd: 1 } } });
      const client = await open(gateway);
      const costOf = async (prices: AgentProfile["prices"]): Promise<number | undefined> => {
        const box = await client.create({ profile: { ...profile, ...(prices === undefined ? {} : { prices }) } });
        const events = await collect(box.streamPrompt("call {{say: hi}}"));
        await box.delete();
        return events.find((event) => event.type === "usage.reported")?.costUsd;
      };
      expect(await costOf({ scripted: { inputUsd: 1_000_000, outputUsd: 10_000_000 } })).toBe(13);
      expect(await costOf({ other: { inputUsd: 5, outputUsd: 5 } })).toBe(4e-6);
      await expect(costOf({ scripted: { inputUsd: -1, outputUsd: 1 } })).rejects.toMatchObject({
        code: "invalid_option",
      });
    });

    it("a model's failure fails the turn, whatever the agent makes of it", async () => {
      const box = await (await open(toGateway())).create({ profile });
      model.setFault("400");
      const events: unknown[] = [];
      const turn = (async () => {
        for await (const event of box.streamPrompt("call {{say: hi}}\nsay and all is well")) events.push(event);
      })();
      await expect(turn).rejects.toMatchObject({
        code: "model_failed",
        message: expect.stringContaining("scripted 400"),
      });
      expect(events).toContainEqual(expect.objectContaining({ type: "custom", name: "model.failed" }));
      model.setFault(undefined);
      expect(textIn(await collect(box.streamPrompt("call {{say: hi}}")))).toBe("200 hi");
    });

    it("an answer of a model that breaks off is its failure, and not the box's going away", async () => {
      const box = await (await open(toGateway())).create({ profile });
      model.setFault("cut");
      const events: unknown[] = [];
      const turn = (async () => {
        for await (const event of box.streamPrompt("call {{say: hi}}")) events.push(event);
      })();
      await expect(turn).rejects.toMatchObject({
        code: "model_failed",
        message: expect.stringContaining("broke off") as string,
      });
      expect(events).toContainEqual(expect.objectContaining({ type: "custom", name: "model.failed" }));
    });

    it("K11: a budget that is used up fails the turn", async () => {
      const box = await (await open(toGateway({ budget: { maxTokens: 4 } }))).create({ profile });
      await expect(collect(box.streamPrompt("call {{say: hi}}\ncall {{say: hi}}"))).rejects.toMatchObject({
        code: "budget_exhausted",
      });
      expect(model.requests.length).toBe(1);
    });

    it("B5: a call that is made while nobody holds the box waits for the one who comes back", async () => {
      const first = await open(toGateway());
      const box = await first.create({ profile });
      const turn = box.streamPrompt("say one\ngate go\ncall {{say: hi}}", { turnId: "t" });
      await take(turn, 1);
      // As if the process had died: nothing of it is told to the box.
      box.release();
      await box.writeFile("go", "");
      const second = await open(toGateway());
      const again = await second.attach(box.id);
      const rest = again?.resumeTurn("t", { after: 1 });
      expect(textIn(await collect(rest ?? []))).toBe("200 hi");
      await turn.return();
    });

    it("B2: a fork calls models by a way of its own", async () => {
      const client = await open(toGateway());
      const parent = await client.create({ profile });
      const { checkpointId } = await parent.checkpoint();
      const fork = await parent.fork(checkpointId);
      await parent.delete();
      expect(textIn(await collect(fork.streamPrompt("call {{say: hi}}")))).toBe("200 hi");
    });

    it("a box whose client has no gateway has no way to models", async () => {
      const box = await (await open()).create({ profile });
      expect((await box.exec(["sh", "-c", "env"])).stdout).not.toContain("_BASE_URL");
    });
  });
});
