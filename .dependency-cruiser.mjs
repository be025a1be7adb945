/**
 * The direction of imports:
 *
 *   errors, internal → event → ports → stream, lineage → loop → runtime (which also knows the doors of adapters)
 *   adapters (store/*, sandbox/*, agent/*, backend/*) know what is left of them, and never a sibling
 *   view/ knows leaves and events, so that a terminal, a server and a page show the same
 *   server, client, cli, inspector, testing sit on top
 *
 * A port is a file that lies directly in src/store, src/sandbox, src/agent or src/backend; an adapter is a folder in one of them.
 * Tests may import anything: they stand outside these rules, and nothing may import them.
 */
import { builtinModules } from "node:module";

/** Tests, and what several of them share (`x.test.support.ts`). */
const TEST = "[.]test([.]support)?[.]ts$";
const LEAF = "^src/(errors[.]ts$|internal/)";
const EVENT = "^src/event/";
const PORT = "^src/(store|sandbox|agent|backend)/[^/]+[.]ts$";
const ADAPTER = "^src/(store|sandbox|agent|backend|telemetry)/[^/]+/";
const VIEW = "^src/view/";
const TOP = "^src/(server|client|cli|inspector|testing)/";

/** A layer may import only what is named. */
const layer = (name, comment, path, allowed) => ({
  name,
  comment,
  severity: "error",
  from: { path, pathNot: TEST },
  to: { path: "^src/", pathNot: [path, ...allowed] },
});

/**
 * Third-party packages and the one folder that may import each: replacing one is then a change in one place.
 * pg has two: a worker's sign of life goes by a connection that the store does not share.
 * zod has two, because it belongs to the edges where something comes in that nobody has checked: events, and manifests of examples.
 */
const PACKAGE_HOMES = {
  "@hono/node-server": "src/server/",
  "@agentclientprotocol/sdk": "src/agent/acp/",
  "@dbos-inc/dbos-sdk": "src/runtime/fleet/dbos/",
  "@opentelemetry/api": "src/telemetry/",
  acorn: "src/agent/repair/",
  "acorn-walk": "src/agent/repair/",
  ai: "src/(loop/validators|backend/ai-sdk)/",
  ajv: "src/loop/validators/",
  "cli-table3": "src/cli/",
  commander: "src/cli/",
  diff: "src/sandbox/boxd/",
  dockerode: "src/sandbox/docker/",
  execa: "src/internal/",
  "fast-check": "src/testing/",
  hono: "src/server/",
  libsql: "src/store/sqlite/",
  "log-update": "src/cli/",
  pg: "src/(store/postgres|runtime/fleet/dbos)/",
  picocolors: "src/cli/",
  preact: "src/inspector/",
  vitest: "src/testing/",
  zod: "src/(event|cli)/",
};

const packagesAtHome = Object.entries(PACKAGE_HOMES).map(([name, home]) => ({
  name: `only-${home.slice(4, -1).replaceAll(/\W+/g, "-").replaceAll(/^-|-$/g, "")}-imports-${name.replace(/^@/, "").replaceAll("/", "-")}`,
  comment: `${name} is imported in ${home} alone, so that replacing it is a change in one folder.`,
  severity: "error",
  from: { path: "^src/", pathNot: [`^${home}`, TEST] },
  to: { path: `(^|/)node_modules/${name}/` },
}));

export default {
  forbidden: [
    // A cycle means that two files are one thing, or that a type lives in the wrong one; types count.
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },

    // ── layers ──
    // The leaves are known to all and know nobody, so that they can be understood alone.
    layer("leaves-know-nobody", "errors and internal import nothing of the rest.", LEAF, []),
    // The vocabulary is shared with browsers and with readers of the log that run no agent.
    layer("event-knows-leaves", "event/ imports errors and internal only.", EVENT, [LEAF]),
    // What people are shown is folded from events alone, so that a terminal, a server and a page agree.
    layer("view-knows-events", "view/ imports leaves and events.", VIEW, [LEAF, EVENT]),
    // A port is what adapters and kernel agree on: it may speak of events and of the other ports, not of who implements it.
    layer("ports-know-events", "A port imports leaves, events and ports, never an adapter.", PORT, [LEAF, EVENT]),
    // The stream works over any backend and any store; the memory store is its default.
    layer("stream-knows-ports", "stream/ imports leaves, events, ports and the memory store.", "^src/stream/", [
      LEAF,
      EVENT,
      PORT,
      "^src/store/memory/",
    ]),
    // Lineage is about boxes: it owns them whoever streams in them.
    layer("lineage-knows-ports", "lineage/ imports leaves, events and ports.", "^src/lineage/", [LEAF, EVENT, PORT]),
    // The kernel puts stream and lineage together; which sandbox, agent or database is behind them it cannot say.
    layer("loop-knows-stream-and-lineage", "loop/ imports what is left of it and the memory store.", "^src/loop/", [
      LEAF,
      EVENT,
      PORT,
      "^src/(stream|lineage)/",
      "^src/store/memory/",
    ]),
    // Spans are made from what is stored, so that a session of last month gives those of a live one; what ran it is of no account.
    layer("telemetry-knows-events", "telemetry/ imports leaves, events and ports.", "^src/telemetry/", [
      LEAF,
      EVENT,
      PORT,
    ]),
    // The runtime puts the embedded pieces together, so it alone below the command line knows adapters, and only by their doors.
    layer(
      "runtime-knows-doors",
      "runtime/ imports what is left of it, and adapters by their index.ts; a worker's lease is kept by the thread that keeps those of sessions.",
      "^src/runtime/",
      [
        LEAF,
        EVENT,
        PORT,
        "^src/(stream|lineage|loop)/",
        "^src/(store|sandbox|agent|backend)/[^/]+/index[.]ts$",
        "^src/store/postgres/lease-keeper[.]ts$",
      ],
    ),
    // The root is the kernel and its vocabulary: importing `skein` loads no database binding, no sandbox and no agent.
    layer(
      "root-is-light",
      "src/index.ts imports no adapter but the memory store, and nothing that sits on top.",
      "^src/index[.]ts$",
      [LEAF, EVENT, PORT, "^src/(stream|lineage|loop)/", "^src/store/memory/"],
    ),

    // ── adapters ──
    // An adapter depends on its port, not on who uses it; otherwise it could not be used alone.
    {
      name: "adapters-know-ports",
      comment: "An adapter imports leaves, events, ports and itself; not the stream, the loop or what sits on top.",
      severity: "error",
      from: { path: ADAPTER, pathNot: TEST },
      to: { path: "^src/(stream|lineage|loop|runtime|server|client|cli|inspector|testing|index[.]ts)" },
    },
    // Two adapters that know each other are one. The doors: agent/acp owns the ACP SDK for both of its sides, sandbox/boxd is what every
    // provider under sandbox/ starts in its boxes, and sandbox/provider is what all that keep boxes on this machine do on the host's side.
    {
      name: "adapters-know-no-sibling",
      comment:
        "An adapter imports no other adapter, except agent/acp and, from sandbox/*, sandbox/boxd and sandbox/provider.",
      severity: "error",
      from: { path: "^src/(store|sandbox|agent|backend|telemetry)/([^/]+)/", pathNot: TEST },
      to: { path: ADAPTER, pathNot: ["^src/$1/$2/", "^src/agent/acp/", "^src/sandbox/(boxd|provider)/"] },
    },
    // The door to boxd is for providers: an agent or a backend that knew boxd would know what kind of box it is in.
    {
      name: "boxd-is-for-sandboxes",
      comment: "Only sandbox/*, and what sits on top, import sandbox/boxd and sandbox/provider.",
      severity: "error",
      from: { path: "^src/(store|agent|backend|telemetry)/", pathNot: TEST },
      to: { path: "^src/sandbox/(boxd|provider)/" },
    },
    // The door to ACP is for what speaks it: agents that we write, and boxd, which starts agents.
    {
      name: "acp-is-for-agents-and-boxd",
      comment: "agent/acp is imported by agent/*, sandbox/boxd and what sits on top.",
      severity: "error",
      from: { path: "^src/(store|backend|telemetry|sandbox/(?!boxd/))", pathNot: TEST },
      to: { path: "^src/agent/acp/" },
    },
    // The page runs in a browser and speaks to the server over HTTP alone.
    {
      name: "inspector-is-a-page",
      comment: "inspector/ imports leaves, events and view, and of ports their types.",
      severity: "error",
      from: { path: "^src/inspector/", pathNot: TEST },
      to: { path: "^src/", pathNot: ["^src/inspector/", LEAF, EVENT, VIEW, PORT] },
    },
    {
      name: "inspector-is-browser-safe",
      comment: "The page imports no module of Node, and of ports nothing but types.",
      severity: "error",
      from: { path: "^src/inspector/", pathNot: TEST },
      to: {
        path: [`^(node:)?(${builtinModules.join("|")})$`, PORT],
        dependencyTypesNot: ["type-only"],
      },
    },
    // What sits on top is used by people and programs, not by the layers below.
    {
      name: "nothing-imports-the-top",
      comment:
        "server, client, cli, inspector and testing are imported by nobody below them, nor by each other (server and cli may serve the inspector, cli starts the server).",
      severity: "error",
      from: { path: "^src/([^/]+)/", pathNot: [TEST, "^src/cli/actions/(serve-data|read-tasks|tokens)[.]ts$"] },
      to: { path: TOP, pathNot: ["^src/$1/", "^src/inspector/"] },
    },
    // The commands that need the server take it by its door: what it serves, what may be started, and who may come in.
    {
      name: "cli-knows-the-servers-door",
      comment: "cli/actions/serve-data.ts, read-tasks.ts and tokens.ts import server/index.ts and nothing else of the server.",
      severity: "error",
      from: { path: "^src/cli/actions/(serve-data|read-tasks|tokens)[.]ts$" },
      to: { path: TOP, pathNot: ["^src/cli/", "^src/server/index[.]ts$"] },
    },
    // The kernel never knows which sandbox technology is behind a box, nor which agent is in it; a path that names one would say so.
    {
      name: "kernel-names-no-provider",
      comment: "stream, lineage and loop import nothing of a provider, a named agent or a database.",
      severity: "error",
      from: { path: "^src/(stream|lineage|loop)/", pathNot: TEST },
      to: { path: "(podman|bubblewrap|docker|criu|libsql|sqlite|postgres|agentclientprotocol|boxd|repair)" },
    },

    // ── the outside ──
    // The fold of a log runs in a browser, so neither it nor anything that it reaches may need Node.
    {
      name: "event-is-browser-safe",
      comment: "Nothing that event/ reaches imports a module of Node.",
      severity: "error",
      from: { path: EVENT, pathNot: TEST },
      to: { path: `^(node:)?(${builtinModules.join("|")})$`, reachable: true },
    },
    {
      name: "view-is-browser-safe",
      comment: "Nothing that view/ reaches imports a module of Node.",
      severity: "error",
      from: { path: VIEW, pathNot: TEST },
      to: { path: `^(node:)?(${builtinModules.join("|")})$`, reachable: true },
    },
    // The client runs in pages: what it takes from the rest are types.
    {
      name: "client-is-browser-safe",
      comment: "client/ imports itself, and types of event/ and of the store's port; no package and no module of Node.",
      severity: "error",
      from: { path: "^src/client/", pathNot: TEST },
      to: { pathNot: ["^src/client/"], dependencyTypesNot: ["type-only"] },
    },
    // One place knows how a process is started and how its whole group is ended.
    {
      name: "one-door-to-child-process",
      comment: "node:child_process is imported by internal/spawn-process.ts alone; its types are free.",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/internal/spawn-process[.]ts$", TEST] },
      to: { path: "^(node:)?child_process$", dependencyTypesNot: ["type-only"] },
    },
    // Threads are for the embedded database, and for leases that must not depend on the main thread: everything else is I/O, which one thread serves.
    {
      name: "threads-only-under-stores",
      comment: "node:worker_threads is imported in store/sqlite, and for the leases in store/postgres.",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/store/(sqlite|postgres)/", TEST] },
      to: { path: "^(node:)?worker_threads$" },
    },
    // A package that is used but not declared works here and fails at the user's.
    {
      name: "declared-dependencies",
      comment:
        "What src/ imports at run time stands in package.json's dependencies; vitest and fast-check are the test kits' peers, ai that of the model judge, and the page is bundled.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: [
          TEST,
          "^src/(testing|inspector)/",
          "^src/(loop/validators/model-judge|backend/ai-sdk/ai-sdk-backend)[.]ts$",
        ],
      },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown", "unknown", "undetermined"],
        dependencyTypesNot: ["npm-peer"],
      },
    },
    // The root must load without what only some of its users have, and without waiting for a compiler that most never ask for.
    {
      name: "validators-load-packages-when-asked",
      comment: "ai and ajv are imported by import() in the function that needs them; their types are free.",
      severity: "error",
      from: { path: "^src/loop/validators/", pathNot: TEST },
      to: { path: "(^|/)node_modules/(ai|ajv)/", dynamic: false, dependencyTypesNot: ["type-only"] },
    },
    // An import that leads nowhere is found here and not by a user.
    { name: "imports-resolve", severity: "error", from: {}, to: { couldNotResolve: true } },
    // What is shipped does not need what is not. What two tests share is a file of its own.
    { name: "nothing-imports-tests", severity: "error", from: { pathNot: TEST }, to: { path: TEST } },
    ...packagesAtHome,
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    moduleSystems: ["es6"],
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types"],
      extensions: [".ts", ".tsx", ".js", ".mjs"],
    },
    skipAnalysisNotInRules: true,
  },
};
