import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";

/** One source that breaks a rule, and the rule. */
const OFFENDERS: readonly (readonly [rule: string, path: string, code: string])[] = [
  ["leaves-know-nobody", "src/internal/x.ts", 'import "../event/y.ts";'],
  ["event-knows-leaves", "src/event/x.ts", 'import "../store/port.ts";'],
  ["event-is-browser-safe", "src/event/reaches-node.ts", 'import "../internal/uses-node.ts";'],
  ["view-knows-events", "src/view/x.ts", 'import "../lineage/y.ts";'],
  ["view-is-browser-safe", "src/view/reaches-node.ts", 'import "../internal/uses-node.ts";'],
  ["ports-know-events", "src/store/port.ts", 'import "./memory/y.ts";'],
  ["stream-knows-ports", "src/stream/x.ts", 'import "../lineage/y.ts";'],
  ["lineage-knows-ports", "src/lineage/x.ts", 'import "../stream/y.ts";'],
  [
    "loop-knows-stream-and-lineage",
    "src/loop/x.ts",
    'import type { Y } from "../backend/box/y.ts"; export type X = Y;',
  ],
  ["telemetry-knows-events", "src/telemetry/x.ts", 'import "../stream/y.ts";'],
  ["runtime-knows-doors", "src/runtime/x.ts", 'import "../backend/box/y.ts";'],
  ["root-is-light", "src/index.ts", 'import "./backend/box/y.ts";'],
  ["adapters-know-ports", "src/backend/box/x.ts", 'import "../../stream/y.ts";'],
  ["adapters-know-no-sibling", "src/backend/iterable/x.ts", 'import "../box/y.ts";'],
  ["boxd-is-for-sandboxes", "src/agent/repair/x.ts", 'import "../../sandbox/boxd/y.ts";'],
  ["acp-is-for-agents-and-boxd", "src/sandbox/local/x.ts", 'import "../../agent/acp/y.ts";'],
  ["inspector-is-a-page", "src/inspector/x.ts", 'import "../lineage/y.ts";'],
  ["inspector-is-browser-safe", "src/inspector/uses-node.ts", 'import { join } from "node:path"; join("x");'],
  ["client-is-browser-safe", "src/client/uses-node.ts", 'import { join } from "node:path"; join("x");'],
  ["nothing-imports-the-top", "src/stream/uses-top.ts", 'import "../testing/y.ts";'],
  ["cli-knows-the-servers-door", "src/cli/actions/serve-data.ts", 'import "../../server/y.ts";'],
  ["kernel-names-no-provider", "src/loop/names-provider.ts", 'import "../backend/podman-like/y.ts";'],
  ["one-door-to-child-process", "src/internal/spawns.ts", 'import { spawn } from "node:child_process"; spawn("x");'],
  [
    "threads-only-under-stores",
    "src/internal/threads.ts",
    'import { Worker } from "node:worker_threads"; new Worker("x");',
  ],
  ["declared-dependencies", "src/internal/undeclared.ts", 'import ts from "typescript"; ts.version;'],
  ["validators-load-packages-when-asked", "src/loop/validators/eager.ts", 'import { Ajv } from "ajv"; new Ajv();'],
  ["imports-resolve", "src/internal/nowhere.ts", 'import "./nowhere-at-all.ts";'],
  ["nothing-imports-tests", "src/internal/uses-test.ts", 'import "./some.test.ts";'],
  ["no-cycles", "src/internal/one.ts", 'import type { Two } from "./two.ts"; export type One = Two | 1;'],
  ["only-cli-imports-picocolors", "src/internal/colors.ts", 'import colors from "picocolors"; colors.red("x");'],
];

/** What the offenders reach for. */
const BYSTANDERS: Readonly<Record<string, string>> = {
  "src/internal/uses-node.ts": 'import { randomUUID } from "node:crypto"; export const id = randomUUID();',
  "src/internal/two.ts": 'import type { One } from "./one.ts"; export type Two = One | 2;',
  "src/internal/some.test.ts": "export {};",
  ...Object.fromEntries(
    [
      "event",
      "store/memory",
      "lineage",
      "stream",
      "backend/box",
      "backend/podman-like",
      "sandbox/boxd",
      "agent/acp",
      "server",
      "testing",
    ].map((folder) => [`src/${folder}/y.ts`, "export type Y = 1;"]),
  ),
};

it("every rule of the direction of imports catches what it forbids", { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "skein-rules-"));
  try {
    for (const file of ["package.json", "tsconfig.json", ".dependency-cruiser.mjs"]) cpSync(file, join(folder, file));
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    for (const [path, code] of [
      ...OFFENDERS.map(([, path, code]) => [path, code] as const),
      ...Object.entries(BYSTANDERS),
    ]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${code}\n`);
    }
    const depcruise = resolve("node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
    const { stdout } = spawnSync(process.execPath, [depcruise, "src", "--output-type", "json"], {
      cwd: folder,
      encoding: "utf8",
    });
    const { summary } = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
    const caught = new Set(summary.violations.map((violation) => `${violation.rule.name}: ${violation.from}`));
    for (const [rule, path] of OFFENDERS)
      expect([...caught], `${rule} should catch ${path}`).toContain(`${rule}: ${path}`);
    const all = execFileSync(
      process.execPath,
      [
        "-e",
        'import("./.dependency-cruiser.mjs").then((m) => console.log(JSON.stringify(m.default.forbidden.map((rule) => rule.name))))',
      ],
      { encoding: "utf8" },
    );
    const untested = (JSON.parse(all) as string[]).filter(
      (name) => !name.startsWith("only-") && !OFFENDERS.some(([rule]) => rule === name),
    );
    expect(untested).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it("no file of the kernel names a sandbox technology, an agent or a database", () => {
  const names =
    /\b(podman|docker|bubblewrap|bwrap|runc|gvisor|criu|sqlite|libsql|postgres|opencode|claude|codex|qwen|repair)\b/i;
  const faults = ["stream", "lineage", "loop"].flatMap((layer) =>
    readdirSync(join("src", layer), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .map((file) => join("src", layer, file))
      .flatMap((path) => {
        const found = names.exec(readFileSync(path, "utf8"));
        return found === null ? [] : [`${path}: ${found[0]}`];
      }),
  );
  expect(faults).toEqual([]);
});
