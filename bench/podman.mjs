// What a fork of a live agent in a container costs, in one run, on a btrfs of its own in a file:
// - `box.fork`: a box with its own workspace, home and names, until the agent's server in it answers;
// - the same checkpoint woken by hand, until the same server answers, all on the parent's files: by `podman container restore --import`, and by
//   `runc restore` of the unpacked images with the parent's root file system and configuration, which is the floor;
// - instead of a fork: a fresh box, one that does again what the parent had done, and a bare `podman run` of Node until it has printed a line;
// - what each of four forks takes of memory and disk;
// - how long the parent stands still for a checkpoint, and for a bare `runc checkpoint`.
// Needs root, Podman, runc, CRIU and btrfs-progs (scripts/install-podman.sh); without them it says so and measures nothing.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createConnection } from "node:net";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openPodmanSandbox } from "skein/sandbox/podman";

const WIDTHS = [1, 2, 4, 8];
const ROUNDS = 3;
const PAUSES = 7;
const IN_A_ROW = Number(process.env["SKEIN_BENCH_FORKS"] ?? "20");
/** On a crowded machine what comes after so much time is measured fewer times, so that the whole ends in a few minutes; each line says how often it was. */
const UNHURRIED_MS = 200_000;
const isLate = () => performance.now() > UNHURRIED_MS;
const CRIU = "/usr/local/lib/skein-criu/bin";
const env = { ...process.env, PATH: `${CRIU}:${process.env["PATH"]}:/usr/sbin:/sbin` };
const FLAGS = ["--cgroup-manager=cgroupfs", "--runtime", "runc"];
const profile = { name: "scripted", agent: "scripted" };

if (process.getuid?.() !== 0 || spawnSync("podman", ["--version"]).error !== undefined) {
  console.log("skipped: it needs root and Podman (scripts/install-podman.sh)");
  process.exit(0);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
const progress = (what) => console.log(`  ${Math.round(performance.now() / 1000)} s: ${what}`);
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

const run = (program, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("close", (code) =>
      code === 0 ? resolve(out.trim()) : reject(new Error(`${program} ${args[0]}: ${err}`)),
    );
  });
const podman = (args) => run("podman", [...FLAGS, ...args]);

/** Until the server in a container that was woken by hand answers. */
async function untilAnswered(pid) {
  const deadline = performance.now() + 60_000;
  for (;;) {
    if (performance.now() > deadline) throw new Error(`the server of process ${pid} did not answer`);
    const answered = await new Promise((resolve) => {
      const socket = createConnection(`/proc/${pid}/root/run/box/box.sock`);
      socket.on("error", () => resolve(false));
      socket.on("data", () => socket.destroy());
      socket.on("close", () => resolve(socket.bytesRead > 0));
      socket.end("GET /health HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n");
    });
    if (answered) return;
    await delay(2);
  }
}

/** The first process of a container of Podman's, without asking Podman: that would take as long as a part of what is measured. */
const firstProcessOf = (containerId) =>
  JSON.parse(readFileSync(`/run/runc/${containerId}/state.json`, "utf8")).init_process_pid;

/** Proportional set size of all processes that share the box's process namespace, in bytes. */
function memoryOf(pid) {
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
  let sum = 0;
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readlinkSync(`/proc/${name}/ns/pid`) !== namespace) continue;
      sum += 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/smaps_rollup`, "utf8"))[1]);
    } catch {
      // It ended meanwhile, or is a kernel's.
    }
  }
  return sum;
}

/** Bytes on the disk that a box has alone: in its folder, blocks that it shares with its checkpoint left out, and in Podman's storage. */
async function diskOf(id) {
  const ofFolder = await run("btrfs", ["filesystem", "du", "--summarize", "--raw", join(place, "boxes", id)]);
  const [, exclusive] = ofFolder.split("\n").at(-1).trim().split(/\s+/).map(Number);
  const format = "--format={{.OCIConfigPath}} {{.GraphDriver.Data.UpperDir}}";
  const [config, upper] = (await podman(["inspect", format, `skein-${id}`])).split(" ");
  const kept = await run("du", [
    "--summarize",
    "--total",
    "--block-size=1",
    "--one-file-system",
    dirname(config),
    upper,
  ]);
  return { folder: exclusive, podman: Number(kept.split("\n").at(-1).split("\t")[0]) };
}

/** Milliseconds until all of `width` are there; what was made is taken away outside the time. */
async function timeAll(width, make, unmake) {
  const began = performance.now();
  const made = await Promise.all(Array.from({ length: width }, (_item, index) => make(index)));
  const took = performance.now() - began;
  await Promise.all(made.map(unmake));
  return took;
}

const folder = mkdtempSync(join(tmpdir(), "skein-bench-"));
const place = join(folder, "boxes");
mkdirSync(place);
execFileSync("truncate", ["--size=8G", join(folder, "btrfs.img")]);
execFileSync("mkfs.btrfs", ["--quiet", join(folder, "btrfs.img")], { stdio: "ignore" });
execFileSync("mount", ["-o", "loop", join(folder, "btrfs.img"), place]);
try {
  const client = await openPodmanSandbox({ directory: place });
  console.log(
    `${(await client.criuStatus()).version ?? "no CRIU"}, ${execFileSync("podman", ["--version"], { encoding: "utf8" }).trim()}`,
  );
  /** A conversation, and files that a program writes one by one. */
  const createPrepared = async () => {
    const box = await client.create({ profile });
    for await (const _event of box.streamPrompt("remember what was before", { sessionId: "c" }));
    await box.exec(["sh", "-c", "mkdir files; for i in $(seq 1000); do head -c 10000 /dev/zero > files/$i; done"]);
    return box;
  };
  const parent = await createPrepared();
  const containerId = await podman(["inspect", "--format={{.Id}}", `skein-${parent.id}`]);

  // ── the parent's pause ──
  await parent.writeFile(
    "pulse.cjs",
    'const fs = require("node:fs"); fs.writeFileSync("pulse.new", String(process.pid)); fs.renameSync("pulse.new", "pulse.pid"); let last = performance.now(); let longest = 0; setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; if (fs.existsSync("tell")) { fs.rmSync("tell"); fs.writeFileSync("pause.new", String(longest)); fs.renameSync("pause.new", "pause"); longest = 0; } }, 1);',
  );
  await parent.exec([
    "sh",
    "-c",
    "setsid node pulse.cjs </dev/null >/dev/null 2>&1 & until [ -e pulse.pid ]; do sleep 0.01; done",
  ]);
  const tell = async () => {
    await parent.exec(["sh", "-c", "rm -f pause; touch tell; until [ -e pause ]; do sleep 0.01; done"]);
    return Number(Buffer.from(await parent.readFile("pause")).toString());
  };
  progress(`the parent's pause, ${PAUSES} times`);
  const calls = [];
  const pauses = [];
  const rawPauses = [];
  const byHand = [];
  for (let round = 0; round < PAUSES; round++) {
    await tell();
    const began = performance.now();
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    calls.push(performance.now() - began);
    pauses.push(await tell());
    await client.deleteCheckpoint(checkpointId);
    const beganByHand = performance.now();
    const archive = join(place, "by-hand.tar");
    const flags = ["--leave-running", "--ignore-rootfs", "--compress=none", `--export=${archive}`];
    await podman(["container", "checkpoint", ...flags, `skein-${parent.id}`]);
    byHand.push(performance.now() - beganByHand);
    rmSync(archive);
    const images = join(place, "raw-images");
    await tell();
    await run("runc", [
      "checkpoint",
      "--leave-running",
      `--image-path=${images}`,
      `--work-path=${images}`,
      containerId,
    ]);
    rawPauses.push(await tell());
    rmSync(images, { recursive: true });
  }
  const [pause, rawPause] = [pauses, rawPauses].map(median);
  console.log(
    `checkpoint: ${seconds(median(calls))}, by hand ${seconds(median(byHand))} (without the files); the parent stands still for ${seconds(pause)}, for a bare runc checkpoint (without the files) ${seconds(rawPause)}, ratio ${(pause / rawPause).toFixed(2)} (medians of ${PAUSES})`,
  );
  await parent.exec(["sh", "-c", "kill $(cat pulse.pid); rm pulse*"]);

  const { checkpointId } = await parent.checkpoint({ mode: "memory" });
  const archive = join(place, "checkpoints", checkpointId, "memory.tar");
  const unpacked = join(place, "unpacked");
  mkdirSync(unpacked);
  await run("tar", ["--extract", `--file=${archive}`, `--directory=${unpacked}`]);
  const config = JSON.parse(
    readFileSync(await podman(["inspect", "--format={{.OCIConfigPath}}", containerId]), "utf8"),
  );
  const runcRoot = `--root=${join(folder, "runc")}`;
  /** What Podman and its monitor do is left out: images that lie ready, the parent's root file system, a control group of its own. */
  const restoreRaw = async (index) => {
    const name = `skein-bench-${process.pid}-${index}`;
    const bundle = join(place, name);
    mkdirSync(bundle);
    const own = { ...config, linux: { ...config.linux, cgroupsPath: `/libpod_parent/${name}` } };
    writeFileSync(join(bundle, "config.json"), JSON.stringify(own));
    const from = [`--image-path=${join(unpacked, "checkpoint")}`, `--work-path=${bundle}`, `--bundle=${bundle}`];
    const pidFile = join(bundle, "pid");
    // CRIU opens what it is given in place of the container's pipes anew, which a pipe of Node's, a socket, does not allow.
    const child = spawn("runc", [runcRoot, "restore", "--detach", ...from, `--pid-file=${pidFile}`, name], {
      env,
      stdio: "ignore",
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`runc restore: ${readFileSync(join(bundle, "restore.log"), "utf8").slice(-500)}`);
    await untilAnswered(Number(readFileSync(pidFile, "utf8")));
    return name;
  };
  const removeRaw = async (name) => {
    await run("runc", [runcRoot, "delete", "--force", name]);
    rmSync(join(place, name), { recursive: true });
  };
  const image = await podman(["inspect", "--format={{.ImageName}}", `skein-${parent.id}`]);
  console.log(`archive of the memory: ${megabytes(statSync(archive).size)}`);
  // ── what each takes ──
  const most = Math.max(...WIDTHS);
  progress(`what each of ${most} forks takes`);
  const children = await Promise.all(Array.from({ length: most }, () => parent.fork(checkpointId)));
  const firstProcess = (id) => JSON.parse(readFileSync(join(place, "boxes", id, "box.json"), "utf8")).process.pid;
  execFileSync("sync");
  const memory = children.map(({ id }) => memoryOf(firstProcess(id)));
  const disk = await Promise.all(children.map(({ id }) => diskOf(id)));
  const kilobytes = (key) => `${Math.round(median(disk.map((each) => each[key])) / 1e3)} KB`;
  console.log(
    `each of ${most} forks: ${megabytes(median(memory))} of memory (proportional set size; the parent ${megabytes(memoryOf(firstProcess(parent.id)))}); on the disk ${kilobytes("folder")} in its folder and ${kilobytes("podman")} in Podman's storage`,
  );
  await Promise.all(children.map((child) => child.delete()));

  // ── forks side by side ──
  // Containers of one archive would write the numbers of their first processes into one file; each gets an archive of its own, outside the time.
  const dump = readFileSync(archive).toString("latin1");
  const pidFileOf = (last) => join(place, "boxes", parent.id, last);
  const archives = Array.from({ length: most }, (_item, index) => {
    const own = join(place, `by-hand-${index}.tar`);
    writeFileSync(own, Buffer.from(dump.replaceAll(pidFileOf("pid"), pidFileOf(`p-${index}`)), "latin1"));
    return own;
  });
  console.log(
    "children | rounds | box.fork | podman restore by hand | fork/podman | runc restore | fork/runc | fresh box | fresh box, parent's work again | bare podman run",
  );
  for (const width of WIDTHS) {
    const times = { fork: [], hand: [], raw: [], fresh: [], again: [], bare: [] };
    for (let round = 0; round < ROUNDS && (round === 0 || !isLate()); round++) {
      progress(`${width} at once, round ${round + 1}`);
      times.fork.push(
        await timeAll(
          width,
          async () => {
            const child = await parent.fork(checkpointId);
            await child.health();
            return child;
          },
          (child) => child.delete(),
        ),
      );
      times.hand.push(
        await timeAll(
          width,
          async (index) => {
            const name = `skein-bench-${process.pid}-${index}`;
            await untilAnswered(
              firstProcessOf(await podman(["container", "restore", `--import=${archives[index]}`, `--name=${name}`])),
            );
            return name;
          },
          (name) => podman(["rm", "--force", "--time=0", name]),
        ),
      );
      times.raw.push(await timeAll(width, restoreRaw, removeRaw));
      const deleteBox = (box) => box.delete();
      times.fresh.push(await timeAll(width, () => client.create({ profile }), deleteBox));
      // By far the longest: once.
      if (round === 0) times.again.push(await timeAll(width, createPrepared, deleteBox));
      times.bare.push(
        await timeAll(
          width,
          () =>
            podman([
              "run",
              "--rm",
              "--network=none",
              "--log-driver=none",
              "--ulimit=nofile=1024:1024",
              "--ulimit=nproc=1000:1000",
              "--entrypoint=node",
              image,
              "-e",
              "console.log('ready')",
            ]),
          () => {},
        ),
      );
    }
    const [fork, hand, raw, ...others] = Object.values(times).map(median);
    console.log(
      [
        width,
        times.fork.length,
        seconds(fork),
        seconds(hand),
        (fork / hand).toFixed(2),
        seconds(raw),
        (fork / raw).toFixed(2),
        ...others.map(seconds),
      ].join(" | "),
    );
  }

  // ── in a row ──
  const each = [];
  let lost = 0;
  progress(`${IN_A_ROW} forks in a row`);
  for (let fork = 0; fork < IN_A_ROW; fork++) {
    const began = performance.now();
    try {
      const child = await parent.fork(checkpointId);
      let said = "";
      for await (const event of child.streamPrompt("recall", { sessionId: "c" }))
        if (event.type === "text.delta") said += event.text;
      each.push(performance.now() - began);
      if (said !== "what was before") lost++;
      await child.delete();
    } catch (error) {
      lost++;
      console.log(error.message);
    }
  }
  console.log(
    `${IN_A_ROW} forks in a row, each until its agent recalled the parent's conversation: ${lost} failed, ${seconds(median(each))} each (slowest ${seconds(Math.max(...each))})`,
  );
  await parent.delete();
  await client.deleteCheckpoint(checkpointId);
  await client.close();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  // Only where something failed is anything left.
  for (const name of readdirSync(folder).includes("runc") ? readdirSync(join(folder, "runc")) : [])
    spawnSync("runc", [`--root=${join(folder, "runc")}`, "delete", "--force", name]);
  const left = spawnSync("podman", ["ps", "--all", "--quiet", `--filter=label=skein.directory=${place}`]);
  for (const id of left.stdout.toString().split("\n").filter(Boolean))
    spawnSync("podman", ["rm", "--force", "--time=0", id]);
  execFileSync("umount", ["--lazy", place]);
  rmSync(folder, { recursive: true, force: true });
}
