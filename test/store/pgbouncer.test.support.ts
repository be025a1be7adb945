import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "../../dist/internal/find-free-port.js";

// Debian keeps it where only an administrator's shell looks.
const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` };

/** Ends with who started it, however that one ends. */
const UNTIL_DEATH = ["--pdeathsig=KILL"];
/** The pooler refuses to run as root. */
const AS_NOBODY = process.getuid?.() === 0 ? ["--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** Why tests with a pooler are left out; undefined where they run. In CI they run, and fail where it is missing. */
export const whyNoPooler =
  spawnSync("setpriv", [...UNTIL_DEATH, "pgbouncer", "--version"], { env }).status !== 0 &&
  process.env["CI"] === undefined
    ? "no PgBouncer here: apt-get install --no-install-recommends pgbouncer"
    : undefined;

export interface Pooler {
  /** The same database, behind the pooler. */
  readonly url: string;
  close(): void;
}

/** A PgBouncer in transaction mode, with few connections to the server, so that statements of one client soon travel on those of another. */
export async function startPooler(url: string): Promise<Pooler> {
  const target = new URL(url);
  const folder = mkdtempSync(join(tmpdir(), "skein-pgbouncer-"));
  const file = join(folder, "pgbouncer.ini");
  chmodSync(folder, 0o755);
  // Somebody else may take the port before the pooler does.
  for (let tries = 0; ; tries++) {
    const through = new URL(url);
    through.port = `${await findFreePort()}`;
    const { hostname, port, username, password } = target;
    writeFileSync(
      file,
      [
        "[databases]",
        `* = host=${hostname} port=${port} user=${username} password=${password}`,
        "[pgbouncer]",
        `listen_addr = ${hostname}`,
        `listen_port = ${through.port}`,
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
        "default_pool_size = 5",
        "max_client_conn = 500",
        "log_connections = 0",
        "log_disconnections = 0",
      ].join("\n"),
      { mode: 0o644 },
    );
    const child = spawn("setpriv", [...UNTIL_DEATH, ...AS_NOBODY, "pgbouncer", file], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    const isUp = await new Promise<boolean>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve(false));
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        if (said.length < 10_000) said += text;
        if (said.includes("process up")) resolve(true);
      });
    });
    const close = (): void => {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    };
    if (isUp) return { url: through.href, close };
    if (tries === 4) {
      close();
      throw new Error(`PgBouncer did not start: ${said}`);
    }
  }
}
