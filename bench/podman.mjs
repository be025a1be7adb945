// What a fork of a live agent in a container costs, in one run, on a btrfs of its own in a file:
// - `box.fork`: a box with its own workspace, home and names, until the agent's server in it answers;
// - the floor: `podman container restore --import` of the same checkpoint by hand, until the same server answers (all on the parent's files);
// - instead of a fork: a fresh box, and a bare `podman run` of Node until it has printed a line;
// - how long the parent stands still for a checkpoint.
// Needs root, Podman, CRIU and btrfs-progs (scripts/install-podman.sh); without them it says so and measures nothing.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createConnection } from "node:net";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openPodmanSandbox } from "skein/sandbox/podman";

const WIDTHS = [1, 2, 4, 8];
const ROUNDS = 3;
const IN_A_ROW = Number(process.env["SKEIN_BENCH_FORKS"] ?? "50");
const CRIU = "/usr/local/lib/skein-criu/bin";
const env = { ...process.env, PATH: `${CRIU}:${process.env["PATH"]}:/usr/sbin:/sbin` };
const FLAGS = ["--cgroup-manager=cgroupfs", "--runtime", "runc"];
const profile = { name: "scripted", agent: "scripted" };

if (process.getuid?.() !== 0 || spawnSync("podman", ["--version"]).error !== undefined) {
  console.log("skipped: it needs root and Podman (scripts/install-podman.sh)");
  process.exit(0);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

const podman = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn("podman", [...FLAGS, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("close", (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`podman ${args[0]}: ${err}`))));
  });

/** Until the server in a container that was woken by hand answers. */
async function untilAnswered(name) {
  const pid = await podman(["inspect", "--format={{.State.Pid}}", name]);
  for (;;) {
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
  const parent = await client.create({ profile });
  for await (const _event of parent.streamPrompt("remember what was before", { sessionId: "c" }));
  await parent.exec(["sh", "-c", "mkdir files; for i in $(seq 1000); do head -c 10000 /dev/zero > files/$i; done"]);

  // ── the parent's pause ──
  await parent.writeFile(
    "pulse.cjs",
    'const fs = require("node:fs"); let last = performance.now(); let longest = 0; setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; if (fs.existsSync("tell")) { fs.rmSync("tell"); fs.writeFileSync("pause.new", String(longest)); fs.renameSync("pause.new", "pause"); longest = 0; } }, 1);',
  );
  await parent.exec(["sh", "-c", "setsid node pulse.cjs </dev/null >/dev/null 2>&1 &"]);
  const tell = async () => {
    await parent.exec(["sh", "-c", "rm -f pause; touch tell; until [ -e pause ]; do sleep 0.01; done"]);
    return Number(Buffer.from(await parent.readFile("pause")).toString());
  };
  const calls = [];
  const pauses = [];
  const byHand = [];
  for (let round = 0; round < ROUNDS; round++) {
    await tell();
    const began = performance.now();
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    calls.push(performance.now() - began);
    pauses.push(await tell());
    await client.deleteCheckpoint(checkpointId);
    const beganByHand = performance.now();
    await podman([
      "container",
      "checkpoint",
      "--leave-running",
      "--ignore-rootfs",
      "--compress=none",
      `--export=${join(place, "by-hand.tar")}`,
      `skein-${parent.id}`,
    ]);
    byHand.push(performance.now() - beganByHand);
    rmSync(join(place, "by-hand.tar"));
  }
  console.log(
    `checkpoint: ${seconds(median(calls))}, by hand ${seconds(median(byHand))} (without the files); the parent stands still for ${seconds(median(pauses))} (median of ${ROUNDS})`,
  );

  // ── forks side by side ──
  const { checkpointId } = await parent.checkpoint({ mode: "memory" });
  // The same container once more, made by hand: same image, same server, same agent, on the same files.
  const created = JSON.parse(
    await podman(["inspect", "--format={{json .Config.CreateCommand}}", `skein-${parent.id}`]),
  );
  const source = `skein-bench-${process.pid}`;
  const ownWords = created
    .slice(created.indexOf("run"))
    .filter((word) => !/^--(pidfile|label)=/.test(word))
    .map((word) => (word.startsWith("--name=") ? `--name=${source}` : word));
  await podman(ownWords);
  await untilAnswered(source);
  const archive = join(place, "by-hand.tar");
  await podman([
    "container",
    "checkpoint",
    "--leave-running",
    "--ignore-rootfs",
    "--compress=none",
    `--export=${archive}`,
    source,
  ]);
  const image = await podman(["inspect", "--format={{.ImageName}}", `skein-${parent.id}`]);
  const megabytes = (path) => Math.round(statSync(path).size / 1e6);
  console.log(
    `archive of the memory: ${megabytes(join(place, "checkpoints", checkpointId, "memory.tar"))} MB, by hand ${megabytes(archive)} MB`,
  );
  console.log("children | box.fork | restored by hand | fork/hand | fresh box | bare podman run");
  for (const width of WIDTHS) {
    const times = { fork: [], hand: [], fresh: [], bare: [] };
    for (let round = 0; round < ROUNDS; round++) {
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
            await podman(["container", "restore", `--import=${archive}`, `--name=${name}`]);
            await untilAnswered(name);
            return name;
          },
          (name) => podman(["rm", "--force", "--time=0", name]),
        ),
      );
      times.fresh.push(
        await timeAll(
          width,
          () => client.create({ profile }),
          (box) => box.delete(),
        ),
      );
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
    const [fork, hand, fresh, bare] = [times.fork, times.hand, times.fresh, times.bare].map(median);
    console.log(
      `${width} | ${seconds(fork)} | ${seconds(hand)} | ${(fork / hand).toFixed(2)} | ${seconds(fresh)} | ${seconds(bare)}`,
    );
  }

  // ── in a row ──
  const each = [];
  let lost = 0;
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
  await podman(["rm", "--force", "--time=0", source]);
  await parent.delete();
  await client.deleteCheckpoint(checkpointId);
  await client.close();
} finally {
  execFileSync("umount", [place]);
  rmSync(folder, { recursive: true, force: true });
}
