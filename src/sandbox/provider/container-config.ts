import type { BoxdConfig } from "../boxd/index.ts";
import { BOX_ID_VARIABLE, CONFIG_NAME, findBoxRuntime, packageVersion } from "../boxd/index.ts";
import type { BoxRecord } from "./box-record.ts";

/** Where things lie in a container: the same in every box, so that what an agent wrote down about itself is true in a fork. */
export const INSIDE = {
  workspace: "/workspace",
  home: "/home/agent",
  run: "/run/box",
  config: "/etc/skein",
  runtime: "/opt/skein",
  agent: "/opt/agent",
} as const;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Names the box on its container. */
export const BOX_LABEL = "skein.box";
/** Names the data directory on the container, so that one without a record is found again. */
export const DIRECTORY_LABEL = "skein.directory";
/** Memory of a box that is not a process: it counts to its limit. */
export const TMP_BYTES = 1024 * 1024 * 1024;

export function toContainerName(id: string): string {
  return `skein-${id}`;
}

export function toHostname(id: string): string {
  return id.replace("_", "-");
}

/** What the shell of a container is told: it is the first process, buries what other processes leave behind, and ends with boxd. */
export function toStartCommand(): string {
  const { boxdMain } = findBoxRuntime();
  return `mkdir -p ${INSIDE.run} && umask 022 && node --require ${toPreload(boxdMain)} ${boxdMain} ${INSIDE.config}/${CONFIG_NAME} & wait $!`;
}

/** Nothing of the host's environment but what names the language and the time zone. */
export function toContainerEnvironment(record: BoxRecord): Record<string, string> {
  const { LANG, TZ } = process.env;
  return {
    PATH,
    HOME: INSIDE.home,
    LANG: LANG ?? "C.UTF-8",
    ...(TZ === undefined ? {} : { TZ }),
    [BOX_ID_VARIABLE]: record.id,
  };
}

/**
 * How boxd of a container is started: the file that it is given.
 * @param ownsRoot whether the box can write to the files of its image
 */
export function toContainerConfig(record: BoxRecord, ownsRoot: boolean): BoxdConfig {
  const { profile, claimMs, agentStart, env, gateway, agentFolder, limits } = record.spec;
  const preload = `--require=${toPreload(findBoxRuntime().boxdMain)}`;
  return {
    boxId: record.id,
    version: packageVersion(),
    contained: true,
    workspace: INSIDE.workspace,
    home: INSIDE.home,
    run: INSIDE.run,
    claimMs,
    profile,
    env: {
      ...toContainerEnvironment(record),
      ...env,
      NODE_OPTIONS: env["NODE_OPTIONS"] === undefined ? preload : `${preload} ${env["NODE_OPTIONS"]}`,
      [BOX_ID_VARIABLE]: record.id,
    },
    agentStart,
    ...(gateway === undefined ? {} : { gateway }),
    ...(agentFolder === undefined ? {} : { agentFolder: INSIDE.agent }),
    ...(limits.diskMb === undefined ? {} : { diskMb: limits.diskMb, ownsRoot }),
  };
}

/** What Node processes of the box load first, so that forks do not share their randomness. */
function toPreload(boxdMain: string): string {
  return boxdMain.replace(/boxd-main\.js$/, "fork-randomness.cjs");
}
