/**
 * boxd: the small server inside every box. Its one argument is the path of its configuration.
 * It starts the agent, keeps the events of turns until they are acknowledged, and ends itself and the agent when no client was heard in time.
 */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { SandboxError } from "../../errors.ts";
import { openBaseline } from "./baseline.ts";
import { openBoundedLog } from "./bounded-log.ts";
import { BoxAgent } from "./box-agent.ts";
import { createBoxdServer } from "./boxd-server.ts";
import { watchCpu } from "./cpu-watch.ts";
import { DiskWatch } from "./disk-watch.ts";
import { freezeBox, killBox } from "./freeze-box.ts";
import { watchMemory } from "./memory-watch.ts";
import { ClientPresence } from "./client-presence.ts";
import { GatewayBridge } from "./gateway-bridge.ts";
import { toGatewayEnvironment } from "./gateway-environment.ts";
import type { BoxdConfig, BoxIdentity } from "./protocol.ts";
import { BOX_ID_VARIABLE, SOCKET_NAME } from "./protocol.ts";
import { listenOnSocket } from "./socket-path.ts";
import { Turns } from "./turns.ts";

/** What control groups give at least, too. */
const LEAST_CPU = 0.01;

const given = JSON.parse(readFileSync(process.argv[2] as string, "utf8")) as BoxdConfig;
// What the box's owner sets himself is left as he set it.
const config: BoxdConfig = { ...given, env: { ...toGatewayEnvironment(given.gateway), ...given.env } };
const log = openBoundedLog(join(config.run, "boxd.log"));
const agent = new BoxAgent(config, log);

function endBox(why: string): void {
  log(`boxd: ends, because ${why}\n`);
  void agent.close().finally(() => process.exit(0));
}

// One request that goes wrong must not take the turns of all others with it.
process.on("uncaughtException", (error) => log(`boxd: ${error.stack ?? String(error)}\n`));
process.on("unhandledRejection", (error) => log(`boxd: unhandled ${String(error)}\n`));
process.on("SIGTERM", () => endBox("it was told to"));

const baseline = openBaseline(config.home, config.workspace);
baseline.catch((error: unknown) => log(`boxd: no baseline: ${String(error)}\n`));
if (config.agentStart === "eager") agent.start();
const turns = new Turns({
  agent,
  folder: join(config.run, "turns"),
  ready: baseline.then(() => {}),
  takePatch: async () => {
    const { createWorkspacePatch } = await import("./workspace-patch.ts");
    return createWorkspacePatch(config.workspace, await baseline);
  },
  // Without walls boxd would see the whole host, so only what it started itself is stopped.
  freeze: () => (config.contained ? freezeBox() : agent.freeze()),
});
function stopBox(error: SandboxError): void {
  log(`boxd: ${error.message}\n`);
  turns.stop(error);
  // Without walls boxd does not know who belongs to the box.
  if (config.contained) killBox();
  else void agent.close();
}
if (config.diskMb !== undefined) {
  new DiskWatch({
    folders: [config.workspace, config.home, config.run],
    limitMb: config.diskMb,
    ...(config.ownsRoot === true ? { layer: { root: "/", sinceMs: Date.now() } } : {}),
    // Without walls boxd sees the host's processes too, and not whose they are.
    ownsProcesses: config.contained,
    onFull: stopBox,
  }).start();
}
if (config.measured !== undefined) {
  const { cpu, ...held } = config.measured;
  if (cpu !== undefined) watchCpu(Math.max(LEAST_CPU, cpu), freezeBox);
  if (Object.keys(held).length > 0) watchMemory({ ...held, onFull: stopBox });
}
const presence = new ClientPresence();
const identity = {
  boxId: config.boxId,
  take({ boxId }: BoxIdentity): void {
    log(`boxd: ${identity.boxId} was forked and is ${boxId} now\n`);
    identity.boxId = boxId;
    config.env[BOX_ID_VARIABLE] = boxId;
  },
};
const bridge = config.gateway === undefined ? undefined : new GatewayBridge();
if (config.gateway !== undefined) await bridge?.listen(config.gateway.port);
const server = createBoxdServer({ config, turns, presence, identity, ...(bridge === undefined ? {} : { bridge }) });
await rm(join(config.run, SOCKET_NAME), { force: true });
await listenOnSocket(server, config.run, SOCKET_NAME);
presence.watch(config.claimMs, () => endBox("no client was heard in time"));
