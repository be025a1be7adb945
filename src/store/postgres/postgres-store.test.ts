import { beforeAll } from "vitest";
import { testSessionStore } from "../../testing/test-session-store.ts";
import type { SessionStore } from "../session-store.ts";
import { openPostgresStore } from "./index.ts";
import { shareServer } from "./postgres-server.test.support.ts";

const schemas = new WeakMap<SessionStore, string>();
let url = "";
let count = 0;

beforeAll(async () => {
  url = await shareServer();
});

testSessionStore({
  name: "Postgres",
  open: async (options) => {
    const schema = `kit_${process.pid}_${count++}`;
    const store = await openPostgresStore(url, { ...options, schema });
    schemas.set(store, schema);
    return store;
  },
  reopen: async (store, options) => {
    const schema = schemas.get(store) as string;
    const again = await openPostgresStore(url, { ...options, schema });
    schemas.set(again, schema);
    return again;
  },
  capabilities: { name: "postgres", persistence: "server", multiProcess: true, durability: "disk" },
});
