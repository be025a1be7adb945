/** @experimental */
export { buildPodmanImage, openPodmanSandbox } from "./open-podman-sandbox.ts";
/** Boxes in containers. @experimental */
export type { PodmanSandboxOptions } from "./open-podman-sandbox.ts";
/** Boxes in containers. @experimental */
export type { PodmanSandboxCapabilities, PodmanSandboxClient } from "./podman-sandbox-client.ts";
/** Boxes in containers. @experimental */
export type { PodmanBox } from "./podman-box.ts";
