export { KILL_POINTS, armKillPoint } from "./kill-points.ts";
export type { KillPoint, KillPointOptions } from "./kill-points.ts";
export type { SessionStoreKitOptions } from "./session-store/store-under-test.ts";
export { testSessionStore } from "./test-session-store.ts";
export { testSandboxClient } from "./test-sandbox-client.ts";
export type { OpenedSandbox, SandboxClientKit } from "./test-sandbox-client.ts";
export { testDriver } from "./test-driver.ts";
export type { DriverKit } from "./driver/driver-kit.ts";
