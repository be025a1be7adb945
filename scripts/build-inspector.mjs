// Bundles the inspector's page into dist/inspector. Where nothing that it is made of has changed since, there is nothing to do.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const SOURCE = "src/inspector";
const TARGET = "dist/inspector";
const STAMP = join("dist", ".inspector-stamp");

const inputs = ["src/inspector", "src/view", "src/event", "src/internal"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes(".test."))
    .map((entry) => join(entry.parentPath, entry.name)),
);
const hash = createHash("sha256");
for (const path of [...inputs, "scripts/build-inspector.mjs", "package.json"].sort()) {
  hash.update(`${path}\n`).update(readFileSync(path));
}
const stamp = hash.digest("hex");
const isBuilt = existsSync(join(TARGET, "index.html")) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp;

if (!isBuilt) {
  const { build } = await import("vite");
  await build({
    configFile: false,
    root: SOURCE,
    logLevel: "warn",
    // Everything is a file of its own that the server may name in its content security policy.
    build: {
      outDir: resolve(TARGET),
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: ["chrome123", "firefox128", "safari17.5"],
      reportCompressedSize: false,
    },
  });
  writeFileSync(STAMP, stamp);
}
