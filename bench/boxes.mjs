// What a local box costs, in one run, everything in turns with what it is compared to:
// - from `create` to the first event of a turn, against starting the same agent without Skein and prompting it over ACP: the agent `repair`,
//   and opencode where `npm run test:agents` or `skein agents install` put it (SKEIN_AGENTS: that folder);
// - the copy in a fork of 5,000 files and 50 MB, against `cp -a --reflink=never` of the same; and the whole fork, against a fresh box that does the
//   same preparation. On the machine's file system, and as root on a btrfs in a file;
// - the gateway: what it adds to each chunk of a stream, and how much goes through it;
// - memory of an idle box on top of its agent's own.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, homedir, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openAcpAgent } from "skein/agent/acp";
import { createModelGateway } from "skein/sandbox/gateway";
import { openLocalSandbox } from "skein/sandbox/local";
import { startScriptedModel } from "skein/testing";
import { resolveAgent } from "../dist/agent/presets.js";
import { findAgentFolder } from "../dist/sandbox/boxd/index.js";
import { FileTrees } from "../dist/sandbox/provider/index.js";

const ROUNDS = Number(process.env["SKEIN_BENCH_ROUNDS"] ?? "7");
/** `SKEIN_BENCH_PARTS=gateway,memory` measures these alone. */
const PARTS = new Set((process.env["SKEIN_BENCH_PARTS"] ?? "start,copies,gateway,memory").split(","));
/** Its folder says whose it is. */
const PREFIX = "skein-bench-boxes-";
const FILES = 5000;
const FILE_BYTES = 10_000;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const micros = (ms) => `${Math.round(ms * 1000)} µs`;

async function timed(work) {
  const began = performance.now();
  const result = await work();
  return { took: performance.now() - began, result };
}

await removeLeftovers();
const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
const ends = [() => rmSync(folder, { recursive: true, force: true })];
try {
  const agents = process.env["SKEIN_AGENTS"] ?? join(homedir(), ".cache", "skein-test-agents");
  const model = await startScriptedModel({ key: "k" });
  ends.push(() => void model.close());
  const upstream = { api: "openai", baseUrl: `${model.url}/v1`, key: "k" };
  const client = await openLocalSandbox({
    directory: join(folder, "boxes"),
    agents,
    gateway: createModelGateway({ upstreams: [upstream] }),
  });
  ends.push(() => void client.close());
  console.log(
    `${client.capabilities.contained ? "contained" : "not contained"}, system calls ${client.capabilities.systemCalls}; ${cpus().length} cores, load ${loadavg()[0].toFixed(1)}`,
  );

  // ── from nothing to the first event ──

  async function firstEventInBox(profile, prompt, files) {
    const { took, result } = await timed(async () => {
      const box = await client.create({ profile, files });
      const turn = box.streamPrompt(prompt)[Symbol.asyncIterator]();
      await turn.next();
      return { box, turn };
    });
    await result.turn.return();
    await result.box.delete();
    return took;
  }

  async function firstEventBare(profile, prompt, files) {
    const place = mkdtempSync(join(folder, "bare-"));
    const workspace = join(place, "workspace");
    const home = join(place, "home");
    mkdirSync(home);
    execFileSync("cp", ["-a", files[0].from, workspace]);
    const agentFolder = findAgentFolder(profile, agents);
    const gateway = {
      port: Number(new URL(model.url).port),
      token: "k",
      upstreams: [{ name: "openai", api: "openai" }],
      isProxy: false,
    };
    const { took, result } = await timed(async () => {
      const start = resolveAgent(profile, {
        home,
        mayDoAll: true,
        gateway,
        ...(profile.model === undefined ? {} : { model: profile.model }),
        ...(agentFolder === undefined ? {} : { folder: agentFolder }),
      });
      const agent = await openAcpAgent({
        command: start.command,
        env: { PATH: process.env["PATH"], HOME: home, LANG: "C.UTF-8", ...start.env },
        cwd: workspace,
      });
      const session = await agent.newSession();
      const controller = new AbortController();
      let ended;
      await new Promise((resolve, reject) => {
        ended = agent
          .prompt(session, prompt, { signal: controller.signal, onEvent: resolve, name: "bare" })
          .catch(reject);
      });
      return { agent, controller, ended };
    });
    result.controller.abort();
    await result.ended.catch(() => {});
    await result.agent.close();
    rmSync(place, { recursive: true, force: true });
    return took;
  }

  const source = join(process.cwd(), "examples/packages/formula-cells");
  const work = [{ path: ".", from: source }];
  if (PARTS.has("start")) await compareStarts("repair", { name: "repair" }, "Repair the package.", ROUNDS);
  if (!PARTS.has("start")) {
    // Not asked for.
  } else if (existsSync(join(agents, "opencode"))) {
    const profile = { name: "opencode", agent: "opencode", model: "openai/scripted" };
    await compareStarts("opencode", profile, "{{say: hello}}", Math.min(ROUNDS, 5));
  } else console.log(`opencode is not in ${agents}, so it is not measured`);

  async function compareStarts(name, profile, prompt, rounds) {
    const inBox = [];
    const bare = [];
    const ratios = [];
    for (let round = 0; round < rounds + 1; round++) {
      const pair = [await firstEventInBox(profile, prompt, work), await firstEventBare(profile, prompt, work)];
      // The first round warms what both read.
      if (round === 0) continue;
      inBox.push(pair[0]);
      bare.push(pair[1]);
      ratios.push(pair[0] / pair[1]);
    }
    console.log(
      `${name}: create to first event ${seconds(median(inBox))}, the same agent without Skein ${seconds(median(bare))}: ${median(ratios).toFixed(2)}× (median of ${rounds} pairs; ${Math.round(median(inBox) - median(bare))} ms more)`,
    );
  }

  // ── forks of files ──

  // Written by one program in one go: hardly any real preparation is as quick.
  const prepare = [
    "node",
    "-e",
    `const fs = require("fs"); for (let i = 0; i < ${FILES}; i++) { if (i % 100 === 0) fs.mkdirSync("files/" + i / 100, { recursive: true }); fs.writeFileSync("files/" + Math.floor(i / 100) + "/" + i, require("crypto").randomBytes(${FILE_BYTES})); }`,
  ];
  async function measureCopies(directory) {
    mkdirSync(directory, { recursive: true });
    const sandbox = await openLocalSandbox({ directory });
    const trees = await FileTrees.open(directory);
    const profile = { name: "scripted", agent: "scripted" };
    const parent = await sandbox.create({ profile });
    await parent.exec(prepare);
    const tree = join(directory, "boxes", parent.id, "workspace");
    const copies = [];
    const plain = [];
    const ratios = [];
    const forks = [];
    const fresh = [];
    const whole = [];
    for (let round = 0; round < ROUNDS; round++) {
      const ours = join(directory, `ours-${round}`);
      const theirs = join(directory, `theirs-${round}`);
      const copyOurs = () => timed(() => trees.clone(tree, ours));
      const copyTheirs = () => timed(async () => execFileSync("cp", ["-a", "--reflink=never", tree, theirs]));
      // Whoever comes second finds the source in the cache, and the disk busy.
      const [first, second] = round % 2 === 0 ? [copyOurs, copyTheirs] : [copyTheirs, copyOurs];
      const a = (await first()).took;
      const b = (await second()).took;
      const [own, other] = round % 2 === 0 ? [a, b] : [b, a];
      copies.push(own);
      plain.push(other);
      ratios.push(own / other);
      for (const path of [ours, theirs]) rmSync(path, { recursive: true });
      if (round >= 3) continue;
      const fork = await timed(async () => {
        const { checkpointId } = await parent.checkpoint();
        return { checkpointId, box: await parent.fork(checkpointId) };
      });
      await fork.result.box.delete();
      await sandbox.deleteCheckpoint(fork.result.checkpointId);
      const redone = await timed(async () => {
        const box = await sandbox.create({ profile });
        await box.exec(prepare);
        return box;
      });
      await redone.result.delete();
      forks.push(fork.took);
      fresh.push(redone.took);
      whole.push(fork.took / redone.took);
    }
    console.log(
      `${sandbox.capabilities.files}: copy of ${FILES} files, ${(FILES * FILE_BYTES) / 1e6} MB in ${seconds(median(copies))}, cp -a --reflink=never ${seconds(median(plain))}: ${median(ratios).toFixed(2)}× (median of ${ROUNDS} pairs)`,
    );
    console.log(
      `  checkpoint and fork until boxd answers ${seconds(median(forks))}, a fresh box that writes the files again ${seconds(median(fresh))}: ${median(whole).toFixed(2)}×`,
    );
    await parent.delete();
    await sandbox.close();
  }

  if (PARTS.has("copies")) await measureCopies(join(folder, "copies"));
  const programs = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const hasBtrfs = process.getuid?.() === 0 && canRun("mkfs.btrfs", programs);
  if (!PARTS.has("copies")) {
    // Not asked for.
  } else if (hasBtrfs) {
    const image = join(folder, "btrfs.img");
    const place = join(folder, "btrfs");
    mkdirSync(place);
    execFileSync("truncate", ["--size=4G", image]);
    execFileSync("mkfs.btrfs", ["--quiet", image], { stdio: "ignore", env: programs });
    execFileSync("mount", ["-o", "loop", image, place], { env: programs });
    ends.push(() => execFileSync("umount", [place], { env: programs }));
    await measureCopies(join(place, "boxes"));
  } else console.log("no root or no mkfs.btrfs: snapshots are not measured");

  // ── the gateway ──

  if (PARTS.has("gateway")) await measureGateway();

  async function measureGateway() {
    const CHUNKS = 400;
    const THROUGHPUT_BYTES = 64 * 1024 * 1024;
    const block = `data: ${JSON.stringify({ choices: [{ delta: { content: "x".repeat(16_000) } }] })}\n\n`;
    /** Says in each chunk when it left, by a clock that all processes of a machine share. */
    const server = createServer((request, response) => {
      request.resume().once("end", () => void answer(request, response));
    });
    async function answer(request, response) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (request.headers["x-much"] === "1") {
        for (let sent = 0; sent < THROUGHPUT_BYTES; sent += block.length)
          if (!response.write(block)) await new Promise((resolve) => response.once("drain", resolve));
      } else {
        for (let chunk = 0; chunk < CHUNKS; chunk++) {
          response.write(
            `data: ${JSON.stringify({ choices: [{ delta: { content: "word " } }], t: `${process.hrtime.bigint()}` })}\n\n`,
          );
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
      response.end("data: [DONE]\n\n");
    }
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    ends.push(() => server.close());
    const direct = `http://127.0.0.1:${server.address().port}/v1`;
    const reader = `
    const much = process.argv[1] === "1";
    const began = performance.now();
    let bytes = 0; const late = [];
    const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] });
    const request = require("http").request(process.env.OPENAI_BASE_URL + "/chat/completions", { method: "POST", headers: { authorization: "Bearer " + process.env.OPENAI_API_KEY, "content-type": "application/json", "x-much": process.argv[1] } }, (answer) => {
      answer.on("data", (chunk) => {
        bytes += chunk.length;
        if (much) return;
        const now = process.hrtime.bigint();
        for (const [, sent] of String(chunk).matchAll(/"t":"(\\d+)"/g)) late.push(Number(now - BigInt(sent)) / 1e6);
      }).on("end", () => console.log(JSON.stringify({ status: answer.statusCode, bytes, ms: performance.now() - began, late })));
    });
    request.end(body);`;
    const box = await client.create({
      profile: { name: "scripted", agent: "scripted" },
      gateway: createModelGateway({ upstreams: [{ api: "openai", baseUrl: direct, key: "k", headers: {} }] }),
    });
    const readInBox = async (much) => {
      const { stdout, stderr } = await box.exec(["node", "-e", reader, much], { maxOutputBytes: 2 ** 24 });
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout);
    };
    const { promisify } = await import("node:util");
    const { execFile } = await import("node:child_process");
    // Not in this process's own loop, which is busy being the server.
    const readDirect = async (much) =>
      JSON.parse(
        (
          await promisify(execFile)(process.execPath, ["-e", reader, much], {
            env: { ...process.env, OPENAI_BASE_URL: direct, OPENAI_API_KEY: "k" },
            maxBuffer: 2 ** 24,
          })
        ).stdout,
      );
    const added = [];
    const addedTail = [];
    const through = [];
    const throughDirect = [];
    const at = (values, part) => values.toSorted((a, b) => a - b)[Math.floor(values.length * part)];
    for (let round = 0; round < 5; round++) {
      const [inBox, plain] = [await readInBox("0"), await readDirect("0")];
      if (inBox.status !== 200 || inBox.late.length !== CHUNKS)
        throw new Error(`the gateway passed ${inBox.late.length} chunks`);
      added.push(at(inBox.late, 0.5) - at(plain.late, 0.5));
      addedTail.push(at(inBox.late, 0.99) - at(plain.late, 0.99));
      const [much, muchPlain] = [await readInBox("1"), await readDirect("1")];
      through.push(much.bytes / 1e3 / much.ms);
      throughDirect.push(muchPlain.bytes / 1e3 / muchPlain.ms);
    }
    console.log(
      `gateway: adds ${micros(median(added))} to a chunk at p50, ${micros(median(addedTail))} at p99 (5 × ${CHUNKS} chunks); passes ${Math.round(median(through))} MB/s, without it ${Math.round(median(throughDirect))} MB/s`,
    );
    await box.delete();
  }

  // ── memory ──

  if (PARTS.has("memory")) await measureMemory();

  async function measureMemory() {
    const idle = await client.create({ profile: { name: "scripted", agent: "scripted" } });
    for await (const _event of idle.streamPrompt("say x"));
    const parts = { box: 0, agent: 0 };
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const isOfBox =
          words.includes(idle.id) || readFileSync(`/proc/${pid}/environ`, "utf8").includes(`SKEIN_BOX_ID=${idle.id}`);
        if (!isOfBox) continue;
        const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
        parts[words.some((word) => word.endsWith("scripted-agent.js")) ? "agent" : "box"] += kilobytes / 1024;
      } catch {
        // It has ended since.
      }
    }
    await idle.delete();
    console.log(
      `memory of an idle box: ${Math.round(parts.box)} MB on top of its agent's ${Math.round(parts.agent)} MB (proportional set size; the agent is one in Node that waits)`,
    );
  }
} finally {
  for (const end of ends.reverse()) await Promise.resolve(end());
}

/** What a bench that was killed has left: boxes whose claim is not over, and a file system that is mounted. */
async function removeLeftovers() {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0);
    if (pid === 0 || existsSync(`/proc/${pid}`)) continue;
    const place = join(tmpdir(), name);
    for (const directory of ["boxes", "copies", "btrfs/boxes"].map((part) => join(place, part))) {
      if (!existsSync(directory)) continue;
      const client = await openLocalSandbox({ directory });
      for (const { id } of await client.list()) await client.discard(id);
      await client.close();
    }
    for (const mount of readFileSync("/proc/mounts", "utf8").split("\n"))
      if (mount.split(" ")[1]?.startsWith(`${place}/`)) execFileSync("umount", ["-l", mount.split(" ")[1]]);
    rmSync(place, { recursive: true, force: true });
  }
}

function canRun(program, env) {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
}
