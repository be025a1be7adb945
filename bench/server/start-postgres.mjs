import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Starts a Postgres server that ends with this process. @returns its URL */
export async function startPostgres() {
  const place = join(tmpdir(), `skein-bench-postgres-${process.pid}`);
  mkdirSync(place);
  const script = fileURLToPath(
    new URL("../../dist/store/postgres/postgres-server-main.test.support.js", import.meta.url),
  );
  spawn(process.execPath, [script, place, `${process.pid}`, "-c", "fsync=on"], {
    detached: true,
    stdio: "ignore",
  }).unref();
  while (!existsSync(join(place, "server.json"))) await new Promise((resolve) => setTimeout(resolve, 50));
  return JSON.parse(readFileSync(join(place, "server.json"), "utf8")).url;
}
