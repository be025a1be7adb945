// Serves the chat's page, and the chats of a store that others write too. With the address of a server that executes runs, it hands on what starts
// and stops them, as a front of several processes does; without one it executes them itself. It prints its address, and waits to be killed.
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { Hono } from "hono";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp, openServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";

const [, , database, folder, port, executor] = process.argv;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };

const backend = createIterableBackend("agent", async function* agent({ prompt }, { signal }) {
  yield { type: "text.delta", text: `About ${prompt}: ` };
  if (prompt === "again") return yield { type: "text.delta", text: "done." };
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
});

const app = createApp({ store: await openSqliteStore(database), tasks: { agent: { backend } } });
const site = new Hono();
if (executor !== undefined)
  site.post("/api/chat/*", async ({ req }) =>
    fetch(new URL(req.path, executor), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: await req.text(),
    }),
  );
site.get("/", async (context) => context.html(await readFile(join(folder, "index.html"), "utf8")));
site.get("/assets/:name", async (context) => {
  const name = context.req.param("name");
  return context.body(await readFile(join(folder, "assets", name)), 200, { "content-type": TYPES[extname(name)] });
});
site.route("/", app);

const server = await openServer({ app, fetch: (request) => site.fetch(request), port: Number(port) });
process.stdout.write(`${JSON.stringify({ url: server.url, port: server.port })}\n`);
