import type { BoxEvent } from "skein";
import { createModelGateway } from "skein/sandbox/gateway";
import type { PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { ScriptedModel } from "skein/testing";
import { startScriptedModel } from "skein/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Place } from "./podman-here.test.support.ts";
import { openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const KEY = "real-key-of-the-host";

/** A container reaches its models as a local box does, and so does one that was woken from memory while its parent held a connection. */
describe.skipIf(reason !== undefined)(`the gateway of a container${reason === undefined ? "" : ` (${reason})`}`, () => {
  let place: Place;
  let model: ScriptedModel;
  let client: PodmanSandboxClient;

  beforeAll(async () => {
    place = await openPlace("copy");
    model = await startScriptedModel({ key: KEY });
    const gateway = createModelGateway({ upstreams: [{ api: "anthropic", baseUrl: model.url, key: KEY }] });
    client = await openPodmanSandbox({ directory: place.path, gateway });
  });
  afterAll(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await model.close();
    await place.remove();
  });

  it("B2: serves a box and the fork of its memory, each by a way of its own", async () => {
    const box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
    const prompt = "call {{say: hi}}";
    const turn = async (target: typeof box): Promise<BoxEvent[]> => {
      const events: BoxEvent[] = [];
      for await (const event of target.streamPrompt(prompt, { sessionId: "c" })) events.push(event);
      return events;
    };
    const text = (events: readonly BoxEvent[]): string =>
      events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
    expect(text(await turn(box))).toBe("200 hi");
    const { checkpointId, mode } = await box.checkpoint({ mode: "memory" });
    expect(mode).toBe("memory");
    const fork = await box.fork(checkpointId);
    await client.deleteCheckpoint(checkpointId);
    for (const one of [fork, box]) {
      const events = await turn(one);
      expect(text(events)).toBe("200 hi");
      expect(events.some((event) => event.type === "usage.reported")).toBe(true);
      const { stdout } = await one.exec(["sh", "-c", "cat /proc/*/environ"]);
      expect(stdout).not.toContain(KEY);
    }
  });
});
