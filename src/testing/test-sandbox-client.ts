import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collect, drain, patchIn, take, textIn } from "./box-events.ts";
import type { BoxEvent } from "../event/event.ts";
import type { Box, CheckpointMode, CreateBoxOptions, SandboxClient } from "../sandbox/sandbox.ts";

/**
 * A provider under test.
 *
 * @stable
 */
export interface SandboxClientKit {
  readonly name: string;
  /** Opens the sandbox on a place of its own. */
  readonly open: () => Promise<OpenedSandbox>;
  readonly capabilities: {
    readonly contained: boolean;
    /** What `forkStatus` must prove; absent: boxes cannot be forked. */
    readonly forks?: CheckpointMode;
    /**
     * False: boxes are no processes. They run no commands, make no patches, have no environment and no silence to watch, so what those promise is skipped.
     * Default true.
     */
    readonly processes?: boolean;
    /** A checkpoint can be taken to another place: `exportCheckpoint`, `importCheckpoint`. Needs `openElsewhere`. Default false. */
    readonly travels?: boolean;
  };
}

/** @stable */
export interface OpenedSandbox {
  readonly client: SandboxClient;
  /** Another client of the same place, as another process would open it. */
  reopen(): Promise<SandboxClient>;
  /** A client of another place, as another machine would open it; `close` closes it too. */
  openElsewhere?(): Promise<SandboxClient>;
  close(): Promise<void>;
}

/** The agent of every box here: it does what the lines of its prompt say. */
const profile = { name: "scripted", agent: "scripted" };

/**
 * The conformance kit of the sandbox port: whoever writes a provider calls it in a test file of vitest. It needs the preset `scripted` inside the box,
 * or an agent that takes the same lines.
 *
 * @stable
 */
export function testSandboxClient(kit: SandboxClientKit): void {
  describe(`${kit.name} as a sandbox client`, () => {
    let sandbox: OpenedSandbox;
    let client: SandboxClient;
    /** One box for the cases that leave it as they found it. */
    let shared: Box;
    const { processes = true } = kit.capabilities;

    beforeAll(async () => {
      sandbox = await kit.open();
      client = sandbox.client;
      shared = await client.create({ profile, labels: { kit: "shared" } });
    });
    afterAll(() => sandbox.close());

    const withBox = async (options: Partial<CreateBoxOptions>, use: (box: Box) => Promise<void>): Promise<void> => {
      const box = await client.create({ profile, ...options });
      try {
        await use(box);
      } finally {
        await box.delete();
      }
    };

    describe("turns", () => {
      it("B5: numbers the events of a turn from 1 and ends them with the workspace's patch", () =>
        withBox({ files: [{ path: "a/b.txt", data: "one\n" }] }, async (box) => {
          const events = await collect(box.streamPrompt("say hello\ntool t\nwrite a/b.txt two", { turnId: "first" }));
          expect(events.map((event) => event.turn)).toEqual(
            events.map((_event, index) => ({ id: "first", seq: index + 1 })),
          );
          expect(events.map((event) => event.type)).toEqual([
            "text.delta",
            "tool.started",
            "tool.ended",
            ...(processes ? ["artifact.created"] : []),
          ]);
          if (processes)
            expect(patchIn(events)).toContain("--- a/a/b.txt\n+++ b/a/b.txt\n@@ -1,1 +1,1 @@\n-one\n+two\n");
        }));

      it("yields no patch where nothing changed", async () => {
        expect(patchIn(await collect(shared.streamPrompt("say hello")))).toBeUndefined();
      });

      it("B5: takes a turn id that is sent twice for one prompt", async () => {
        const first = await collect(shared.streamPrompt("say once", { turnId: "twice" }));
        const second = await collect(shared.streamPrompt("say again", { turnId: "twice" }));
        expect(second).toEqual(first);
      });

      it("lets a second prompt wait for the first", () =>
        withBox({}, async (box) => {
          const first = collect(box.streamPrompt("gate go\nsay first"));
          const second = collect(box.streamPrompt("read order"));
          await box.writeFile?.("order", "the second came after the first");
          await box.writeFile?.("go", "");
          expect(textIn(await first)).toBe("first");
          expect(textIn(await second)).toBe("the second came after the first");
        }));

      it("B5: reads on inside a turn after its client was lost, each event once and in order", () =>
        withBox({ labels: { case: "lost" } }, async (box) => {
          // A client that is killed neither leaves its iterator nor reads on.
          const lost = box.streamPrompt("chunks 50\ngate go\nchunks 50", { turnId: "long" })[Symbol.asyncIterator]();
          const before = await take(lost, 30);
          const again = await (await sandbox.reopen()).attach?.(box.id);
          await again?.writeFile?.("go", "");
          const after = await collect(again?.resumeTurn?.("long", { after: 30 }) ?? []);
          const all = [...before, ...after];
          expect(all.map((event) => event.turn?.seq)).toEqual(all.map((_event, index) => index + 1));
          const numbers = Array.from({ length: 50 }, (_item, index) => `${index + 1} `).join("");
          expect(textIn(all)).toBe(numbers + numbers);
        }));

      it("B5: goes on with a turn that its client lets go of, and gives what was made meanwhile once and in order", () =>
        withBox({ labels: { case: "detached" } }, async (box) => {
          // A provider need not have it.
          if (box.detach === undefined) return;
          const prompt = "chunks 20\ngate go\nchunks 20\nwrite done yes";
          const turn = box.streamPrompt(prompt, { turnId: "left" })[Symbol.asyncIterator]();
          const before = await take(turn, 5);
          box.detach();
          // What had been read already may still come; the rest does not.
          const rest: BoxEvent[] = [];
          const leave = async (): Promise<void> => {
            for (let item = await turn.next(); item.done !== true; item = await turn.next()) rest.push(item.value);
          };
          await expect(leave()).rejects.toMatchObject({ code: "turn_detached" });
          before.push(...rest);
          const again = await (await sandbox.reopen()).attach?.(box.id);
          await again?.writeFile?.("go", "");
          const after = await collect(again?.resumeTurn?.("left", { after: before.length }) ?? []);
          const all = [...before, ...after];
          expect(all.map((event) => event.turn?.seq)).toEqual(all.map((_event, index) => index + 1));
          const numbers = Array.from({ length: 20 }, (_item, index) => `${index + 1} `).join("");
          expect(textIn(all)).toBe(numbers + numbers);
          expect(Buffer.from((await again?.readFile?.("done")) ?? []).toString()).toContain("yes");
        }));

      it("B5: forgets what was acknowledged, and keeps what was not", async () => {
        const events = await collect(shared.streamPrompt("chunks 4", { turnId: "counted" }));
        await shared.acknowledge?.("counted", 2);
        expect(await collect(shared.resumeTurn?.("counted", { after: 2 }) ?? [])).toEqual(events.slice(2));
        await shared.acknowledge?.("counted", 4);
        expect(await collect(shared.resumeTurn?.("counted", { after: 4 }) ?? [])).toEqual([]);
        await expect(collect(shared.resumeTurn?.("counted", { after: 0 }) ?? [])).rejects.toMatchObject({
          code: "turn_unknown",
        });
        await expect(collect(shared.resumeTurn?.("never", { after: 0 }) ?? [])).rejects.toMatchObject({
          code: "turn_unknown",
        });
      });

      it("cancels a turn by its signal and keeps what it said", async () => {
        const controller = new AbortController();
        const said: string[] = [];
        const turn = drain(shared.streamPrompt("say before\nwait", { signal: controller.signal }), (event) => {
          if (event.type === "text.delta") said.push(event.text);
          controller.abort();
        });
        await expect(turn).rejects.toMatchObject({ name: "AbortError" });
        expect(said).toEqual(["before"]);
      });

      it("cancels a turn that is left, and can be prompted again", async () => {
        for await (const event of shared.streamPrompt("say before\nwait")) {
          expect(event.type).toBe("text.delta");
          break;
        }
        expect(textIn(await collect(shared.streamPrompt("say after")))).toBe("after");
      });

      it("throws the failure of a turn after its events, and starts the agent again for the next", () =>
        withBox({}, async (box) => {
          await collect(box.streamPrompt("remember me", { sessionId: "c" }));
          const events: unknown[] = [];
          const turn = drain(box.streamPrompt("say last\nwrite x.txt y\ndie 7", { sessionId: "c" }), (event) =>
            events.push(event.type),
          );
          await expect(turn).rejects.toMatchObject({
            code: "agent_exited",
            message: expect.stringContaining("code 7") as string,
          });
          expect(events).toEqual(["text.delta", ...(processes ? ["artifact.created"] : [])]);
          expect(textIn(await collect(box.streamPrompt("recall", { sessionId: "c" })))).toBe("me");
        }));
    });

    it.skipIf(!processes)("tells an agent that falls silent from one that talks nonsense", async () => {
      await withBox({ profile: { ...profile, metadata: { silenceMs: 1500 } } }, async (box) => {
        await expect(collect(box.streamPrompt("say hello\nhang"))).rejects.toMatchObject({ code: "agent_silent" });
        await expect(collect(box.streamPrompt("garbage 100\nhang"))).rejects.toMatchObject({ code: "agent_garbage" });
        expect(textIn(await collect(box.streamPrompt("say hello")))).toBe("hello");
      });
    });

    describe("conversations", () => {
      it("K5: remembers by the conversation's id, and says so after asking the agent", async () => {
        await collect(shared.streamPrompt("remember apples", { sessionId: "fruit" }));
        expect(textIn(await collect(shared.streamPrompt("recall", { sessionId: "fruit" })))).toBe("apples");
        expect(textIn(await collect(shared.streamPrompt("recall")))).toBe("");
        expect(await shared.session?.("fruit").status()).toMatchObject({ id: "fruit", turns: 2 });
        expect(await shared.session?.("never").status()).toBeNull();
      });

      it.skipIf(!processes)("K5: no longer knows a conversation that its agent lost", () =>
        withBox({}, async (box) => {
          await collect(box.streamPrompt("remember it", { sessionId: "c" }));
          await box.exec?.(["sh", "-c", 'rm -r "$HOME/.scripted-agent"']);
          expect(await box.session?.("c").status()).toBeNull();
        }),
      );
    });

    describe("commands and files", () => {
      it.skipIf(!processes)("runs a command in the workspace and gives back its outputs and code", async () => {
        expect(await shared.exec?.(["sh", "-c", "echo out; echo err >&2; exit 3"])).toEqual({
          exitCode: 3,
          stdout: "out\n",
          stderr: "err\n",
        });
        await shared.writeFile?.("folder/x", "");
        expect(await shared.exec?.(["ls"], { cwd: "folder" })).toMatchObject({ exitCode: 0, stdout: "x\n" });
        expect(await shared.exec?.(["sh", "-c", "echo $A"], { env: { A: "a" } })).toMatchObject({ stdout: "a\n" });
      });

      it.skipIf(!processes)(
        "ends a command that takes too long or says too much, and knows one that is not there",
        async () => {
          expect(await shared.exec?.(["sleep", "100"], { timeoutMs: 100 })).toMatchObject({
            exitCode: 124,
            timedOut: true,
          });
          const loud = await shared.exec?.(["sh", "-c", "while true; do echo yes; done"], { maxOutputBytes: 1000 });
          expect(loud).toMatchObject({ truncated: true });
          expect(loud?.stdout.length).toBeLessThanOrEqual(1000);
          expect(await shared.exec?.(["no-such-program"])).toMatchObject({ exitCode: 127 });
        },
      );

      it.skipIf(!processes)("ends a command by its signal", async () => {
        const controller = new AbortController();
        const running = shared.exec?.(["sh", "-c", "touch started; sleep 100"], { signal: controller.signal });
        await collect(shared.streamPrompt("gate started"));
        controller.abort();
        await expect(running).rejects.toMatchObject({ name: "AbortError" });
      });

      it("writes and reads files byte for byte", async () => {
        const bytes = new Uint8Array(100_000).map((_byte, index) => index % 256);
        await shared.writeFile?.("deep/down/file.bin", bytes);
        expect(Buffer.from((await shared.readFile?.("deep/down/file.bin")) as Uint8Array).equals(bytes)).toBe(true);
        await expect(shared.readFile?.("nowhere")).rejects.toMatchObject({ code: "path_not_found" });
      });

      it.each(["../x", "a/../../x", "/etc/hostname", "", "nul\0x"])("B1: refuses the path %j", async (path) => {
        await expect(shared.readFile?.(path)).rejects.toMatchObject({ code: "box_path" });
        await expect(shared.writeFile?.(path, "x")).rejects.toMatchObject({ code: "box_path" });
      });

      it.skipIf(!processes)("B1: never goes through a symbolic link", async () => {
        await shared.exec?.(["sh", "-c", "ln -sfn / root; ln -sf /etc/passwd passwd; ln -sf nowhere dangling"]);
        for (const path of ["root/etc/passwd", "passwd", "dangling"]) {
          await expect(shared.readFile?.(path)).rejects.toMatchObject({ code: "box_path" });
          await expect(shared.writeFile?.(path, "x")).rejects.toMatchObject({ code: "box_path" });
        }
        await shared.exec?.(["rm", "root", "passwd", "dangling"]);
      });

      it.skipIf(!processes)(
        "B1: starts with the files and the environment that it was given, and no other",
        async () => {
          process.env["SKEIN_KIT_SECRET"] = "of the host";
          const options = {
            files: [{ path: "run.sh", data: "#!/bin/sh\necho ran\n", mode: 0o755 }],
            env: { GIVEN: "yes" },
          };
          await withBox(options, async (box) => {
            expect(await box.exec?.(["./run.sh"])).toMatchObject({ stdout: "ran\n" });
            expect(textIn(await collect(box.streamPrompt("env GIVEN\nenv SKEIN_KIT_SECRET")))).toBe("yesunset");
          });
          await expect(client.create({ profile, files: [{ path: "../out", data: "" }] })).rejects.toMatchObject({
            code: "box_path",
          });
        },
      );
    });

    describe("life", () => {
      it("B3: is found by its labels and by its id, and leaves nothing when it is deleted", async () => {
        const box = await client.create({ profile, name: "for people", labels: { kit: "life", round: "1" } });
        expect(await client.list?.({ kit: "life" })).toMatchObject([
          { id: box.id, name: "for people", state: "running", contained: kit.capabilities.contained },
        ]);
        expect(await client.list?.({ kit: "life", round: "2" })).toEqual([]);
        expect((await client.attach?.(box.id))?.id).toBe(box.id);
        await box.delete();
        expect(await client.list?.({ kit: "life" })).toEqual([]);
        expect(await client.attach?.(box.id)).toBeNull();
        await expect(collect(box.streamPrompt("say hello"))).rejects.toMatchObject({ code: "box_gone" });
        await box.delete();
      });

      it("knows no box by a made-up id", async () => {
        for (const id of ["box_0", "../../etc", ""]) expect(await client.attach?.(id)).toBeNull();
      });

      it("B3: ends a box in the middle of a turn", async () => {
        const box = await client.create({ profile, labels: { kit: "ended" } });
        const turn = collect(box.streamPrompt("say hello\nhang"));
        const outcome = expect(turn).rejects.toMatchObject({ code: "box_gone" });
        await box.delete();
        await outcome;
        expect(await client.list?.({ kit: "ended" })).toEqual([]);
      });

      it("K3: makes nothing for a signal that has fired", async () => {
        await expect(
          client.create({ profile, labels: { kit: "aborted" }, signal: AbortSignal.abort() }),
        ).rejects.toMatchObject({ name: "AbortError" });
        expect(await client.list?.({ kit: "aborted" })).toEqual([]);
      });

      it("refuses an agent that nobody knows, and tells one that is not installed by its first turn", async () => {
        await expect(client.create({ profile: { name: "x", agent: "nobody" } })).rejects.toMatchObject({
          code: "agent_unknown",
        });
        await withBox({ profile: { name: "x", agent: "no/such/program" } }, async (box) => {
          await expect(collect(box.streamPrompt("say hello"))).rejects.toMatchObject({ code: "agent_not_found" });
        });
      });
    });

    describe.skipIf(kit.capabilities.forks === undefined)("forks", () => {
      it("B4: proves what it can do by a fork that was made", async () => {
        expect(await client.forkStatus?.()).toMatchObject({
          available: true,
          modes: expect.arrayContaining([kit.capabilities.forks]) as unknown[],
        });
        expect((await client.criuStatus?.())?.available ?? false).toBe(kit.capabilities.forks === "memory");
        expect((await client.list?.())?.length).toBe(1);
      });

      it("B2: gives a fork the parent's files and conversation, and then neither sees the other", () =>
        withBox({ files: [{ path: "a.txt", data: "origin\n" }], labels: { kit: "parent" } }, async (parent) => {
          await collect(parent.streamPrompt("write a.txt parent\nremember parent", { sessionId: "c" }));
          const { checkpointId } = (await parent.checkpoint?.({ tags: ["kit"] })) ?? { checkpointId: "" };
          await collect(parent.streamPrompt("write a.txt later\nremember later", { sessionId: "c" }));
          const [left, right] = (await Promise.all([
            parent.fork?.(checkpointId, { labels: { kit: "child" } }),
            parent.fork?.(checkpointId),
          ])) as [Box, Box];
          try {
            expect(new Set([parent.id, left.id, right.id]).size).toBe(3);
            expect(await left.session?.("c").status()).toMatchObject({ id: "c", turns: 1 });
            const events = await collect(
              left.streamPrompt("read a.txt\nrecall\nwrite a.txt left\nremember left", { sessionId: "c" }),
            );
            expect(textIn(events)).toBe("parent\nparent");
            // The patch is the change since the origin, not since the fork.
            if (processes) expect(patchIn(events)).toContain("-origin\n+left\n");
            expect(textIn(await collect(right.streamPrompt("read a.txt\nrecall", { sessionId: "c" })))).toBe(
              "parent\nparent",
            );
            expect(textIn(await collect(parent.streamPrompt("read a.txt\nrecall", { sessionId: "c" })))).toBe(
              "later\nparent,later",
            );
            expect((await client.list?.({ kit: "child" }))?.map((info) => info.id)).toEqual([left.id]);
          } finally {
            await Promise.all([left.delete(), right.delete()]);
          }
          await parent.delete();
          const restored = await client.restore?.(checkpointId, { name: "restored" });
          expect(textIn(await collect(restored?.streamPrompt("read a.txt\nrecall", { sessionId: "c" }) ?? []))).toBe(
            "parent\nparent",
          );
          await restored?.delete();
          expect((await client.listCheckpoints?.())?.map((info) => info.id)).toContain(checkpointId);
          await client.deleteCheckpoint?.(checkpointId);
          expect((await client.listCheckpoints?.())?.map((info) => info.id)).not.toContain(checkpointId);
          await expect(client.restore?.(checkpointId)).rejects.toMatchObject({ code: "checkpoint_unknown" });
        }));

      it("B2: takes no checkpoint in the middle of a turn", () =>
        withBox({}, async (box) => {
          const turn = collect(box.streamPrompt("say hello\ngate go"));
          await expect(box.checkpoint?.()).rejects.toMatchObject({ code: "box_busy" });
          await box.writeFile?.("go", "");
          await turn;
          const { checkpointId } = (await box.checkpoint?.()) ?? { checkpointId: "" };
          await client.deleteCheckpoint?.(checkpointId);
        }));
    });

    // Only a sandbox that says that its checkpoints travel is held to it.
    describe.skipIf(kit.capabilities.travels !== true)("checkpoints that travel", () => {
      const options: CreateBoxOptions = { profile };

      it("K10: gives a checkpoint to another machine, which goes on from it with files and conversation", () =>
        withBox({ files: [{ path: "a.txt", data: "origin\n" }], env: { KEY: "of-the-box" } }, async (box) => {
          await collect(box.streamPrompt("write a.txt parent\nremember parent", { sessionId: "c" }));
          const { checkpointId } = (await box.checkpoint?.()) ?? { checkpointId: "" };
          const bytes: Uint8Array[] = [];
          for await (const chunk of client.exportCheckpoint?.(checkpointId) ?? []) bytes.push(chunk);
          const elsewhere = (await sandbox.openElsewhere?.()) as SandboxClient;
          expect(await elsewhere.listCheckpoints?.()).toEqual([]);
          const taken = await elsewhere.importCheckpoint?.(inChunks(bytes), {
            ...options,
            env: { KEY: "given-again" },
          });
          expect(taken?.checkpointId).toBe(checkpointId);
          // Once more is no second one.
          await elsewhere.importCheckpoint?.(inChunks(bytes), options);
          expect((await elsewhere.listCheckpoints?.())?.map(({ id }) => id)).toEqual([checkpointId]);
          const gone = await elsewhere.restore?.(checkpointId, { labels: { kit: "elsewhere" } });
          const prompt = `read a.txt\nrecall${processes ? "\nenv KEY" : ""}`;
          expect(textIn(await collect(gone?.streamPrompt(prompt, { sessionId: "c" }) ?? []))).toBe(
            `parent\nparent${processes ? "given-again" : ""}`,
          );
          await gone?.delete();
          await elsewhere.deleteCheckpoint?.(checkpointId);
          await client.deleteCheckpoint?.(checkpointId);
        }));

      it("gives away no checkpoint that it does not have, and takes in nothing that is none", async () => {
        await expect(collectBytes(client.exportCheckpoint?.("checkpoint_0") ?? [])).rejects.toMatchObject({
          code: "checkpoint_unknown",
        });
        const before = await client.listCheckpoints?.();
        for (const text of ["", "{}\n", '{"skein":"checkpoint","format":1,"id":"../../x"}\n', "x".repeat(200_000)])
          await expect(client.importCheckpoint?.(inChunks([Buffer.from(text)]), options)).rejects.toMatchObject({
            code: "checkpoint_damaged",
          });
        expect(await client.listCheckpoints?.()).toEqual(before);
      });

      it("K10: takes in a damaged archive not at all", () =>
        withBox({ files: [{ path: "a.txt", data: "origin\n".repeat(10_000) }] }, async (box) => {
          const { checkpointId } = (await box.checkpoint?.()) ?? { checkpointId: "" };
          const whole = await collectBytes(client.exportCheckpoint?.(checkpointId) ?? []);
          const elsewhere = (await sandbox.openElsewhere?.()) as SandboxClient;
          const broken = Buffer.from(whole);
          broken[whole.length - 20] = (broken[whole.length - 20] as number) ^ 0xff;
          for (const bytes of [whole.subarray(0, whole.length - 10), whole.subarray(0, whole.length / 2), broken])
            await expect(elsewhere.importCheckpoint?.(inChunks([bytes]), options)).rejects.toMatchObject({
              code: "checkpoint_damaged",
            });
          expect(await elsewhere.listCheckpoints?.()).toEqual([]);
          await expect(elsewhere.restore?.(checkpointId)).rejects.toMatchObject({ code: "checkpoint_unknown" });
          await client.deleteCheckpoint?.(checkpointId);
        }));
    });
  });
}

/** As a store gives them: in pieces that end anywhere. */
async function* inChunks(bytes: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const whole = Buffer.concat(bytes);
  for (let start = 0; start < whole.length; start += 1000) yield whole.subarray(start, start + 1000);
}

async function collectBytes(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}
