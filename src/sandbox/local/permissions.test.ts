import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonValue } from "../../event/event.ts";
import { collect, textIn } from "../../testing/box-events.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import type { LocalBox } from "./local-box.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

describe("an agent that asks for permission", () => {
  let directory: string;
  let client: LocalSandboxClient;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-permissions-"));
    client = await openLocalSandbox({ directory, containment: "none" });
  });
  afterAll(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await rm(directory, { recursive: true, force: true });
  });

  const create = (metadata: Record<string, JsonValue> = {}): Promise<LocalBox> =>
    client.create({ profile: { name: "scripted", agent: "scripted", permissions: "ask", metadata } });

  it("waits for an answer, which may come from another process, and goes on by it", async () => {
    // The agent may be silent for less than this, so whoever waits for a person must not count as silent.
    const box = await create({ silenceMs: 2500 });
    const other = await openLocalSandbox({ directory, containment: "none" });
    const same = await other.attach(box.id);
    const events: unknown[] = [];
    for await (const event of box.streamPrompt("permission delete it", { turnId: "t" })) {
      events.push(event);
      if (event.type !== "permission.requested") continue;
      const { requestId } = event;
      await expect(same?.answer("other", { by: "me" })).rejects.toMatchObject({ code: "permission_unknown" });
      await expect(same?.answer(requestId, { optionId: "maybe", by: "me" })).rejects.toMatchObject({
        code: "invalid_option",
      });
      await same?.answer(requestId, { optionId: "yes", by: "me" });
      await expect(same?.answer(requestId, { optionId: "no", by: "me" })).rejects.toMatchObject({
        code: "permission_unknown",
      });
    }
    expect(events).toMatchObject([
      { type: "permission.requested", requestId: "t-1", title: "delete it" },
      { type: "permission.answered", requestId: "t-1", optionId: "yes", by: "me" },
      { type: "text.delta", text: '{"outcome":"selected","optionId":"yes"}' },
    ]);
    await other.close();
  });

  it("B5: goes on waiting when the client that heard the question has died, for the one who comes back", async () => {
    const box = await create();
    const turn = box.streamPrompt("permission delete it", { turnId: "t2" });
    expect((await turn.next()).value).toMatchObject({ type: "permission.requested", requestId: "t2-1" });
    // As if the process had died: nothing of it is told to the box.
    box.release();
    const other = await openLocalSandbox({ directory, containment: "none" });
    const same = await other.attach(box.id);
    await same?.answer("t2-1", { optionId: "yes", by: "me" });
    const rest = await collect(same?.resumeTurn("t2", { after: 1 }) ?? []);
    expect(rest[0]).toMatchObject({ type: "permission.answered", requestId: "t2-1", optionId: "yes", by: "me" });
    expect(textIn(rest)).toContain('"optionId":"yes"');
    await turn.return();
    await other.close();
  });

  it("takes no answer in time for no", async () => {
    const box = await create({ permissionMs: 30 });
    const events = await collect(box.streamPrompt("permission delete it"));
    expect(events).toContainEqual(
      expect.objectContaining({ type: "permission.answered", optionId: "no", by: "timeout" }),
    );
    expect(textIn(events)).toContain('"no"');
  });

  it("K3: does not outlive the abort of its turn", async () => {
    const box = await create();
    const controller = new AbortController();
    const turn = (async () => {
      for await (const event of box.streamPrompt("permission delete it", { signal: controller.signal }))
        if (event.type === "permission.requested") controller.abort();
    })();
    await expect(turn).rejects.toMatchObject({ name: "AbortError" });
    expect(textIn(await collect(box.streamPrompt("say well")))).toBe("well");
  });
});
