/** @experimental */
export { buildDockerImage, openDockerSandbox } from "./open-docker-sandbox.ts";
/** Boxes over a Docker engine. @experimental */
export type { DockerSandboxOptions } from "./open-docker-sandbox.ts";
/** Boxes over a Docker engine. @experimental */
export type { DockerSandboxCapabilities, DockerSandboxClient } from "./docker-sandbox-client.ts";
/** Boxes over a Docker engine. @experimental */
export type { DockerBox } from "./docker-box.ts";
