export type { SessionStoreKitOptions } from "./session-store/store-under-test.ts";
export { testSessionStore } from "./test-session-store.ts";
