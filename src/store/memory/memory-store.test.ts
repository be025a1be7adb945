import { testSessionStore } from "../../testing/test-session-store.ts";
import { openMemoryStore } from "./index.ts";

testSessionStore({
  name: "memory",
  open: openMemoryStore,
  capabilities: { name: "memory", persistence: "memory", multiProcess: false, durability: "none" },
});
