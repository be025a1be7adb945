import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { validate } from "dockerfile-utils";
import { Deployment } from "kubernetes-models/apps/v1";
import { describe, expect, it } from "vitest";
import { parse, parseDocument } from "yaml";

const read = (name: string): string => readFileSync(join("examples", "deploy", name), "utf8");
const GUIDE = readFileSync(join("docs", "guides", "fleet.md"), "utf8");
/** What `skein worker` waits for by default when it is told to end. */
const DRAIN_SECONDS = 60;

it.each(["skein-worker.service", "Containerfile", "kubernetes.yaml"])("the guide quotes %s as it is", (name) => {
  expect(GUIDE).toContain(`${read(name)}\`\`\`\n`);
});

describe("the systemd unit", () => {
  const unit = read("skein-worker.service");

  it("gives a worker longer than it waits for what runs", () => {
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(DRAIN_SECONDS);
  });

  const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
  // Debian's containers have no systemd, and a test is no reason to put one there.
  // Left out where there is no systemd, as in a container.
  it.skipIf(!hasSystemd)("passes systemd's own verifier", () => {
    const folder = mkdtempSync(join(tmpdir(), "skein-unit-"));
    try {
      const verify = (name: string, text: string): string => {
        const path = join(folder, name);
        // Node may lie elsewhere on this machine, and systemd looks.
        writeFileSync(path, text.replace("/usr/bin/node", process.execPath));
        const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
        // It also tells of other units of the machine.
        return `${stdout}${stderr}`
          .split("\n")
          .filter((line) => line.includes(name))
          .join("\n");
      };
      expect(verify("skein-worker.service", unit)).toBe("");
      expect(verify("broken.service", unit.replace("Restart=", "Restrat="))).toContain("Restrat");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the container file", () => {
  const file = read("Containerfile");

  it("passes a linter", () => {
    expect(validate(file)).toEqual([]);
    expect(validate(file.replace("WORKDIR", "WORKDRI"))).not.toEqual([]);
  });

  it("is told to end itself, not through a shell or npx, and is no root", () => {
    expect(file).toMatch(/^ENTRYPOINT \["node", /m);
    expect(file).toMatch(/^USER node$/m);
  });
});

describe("the Kubernetes manifest", () => {
  const text = read("kubernetes.yaml");
  const manifest = parse(text, { strict: true }) as ConstructorParameters<typeof Deployment>[0] & object;

  it("fits the schema of Kubernetes", () => {
    expect(parseDocument(text).warnings).toEqual([]);
    expect(manifest).toMatchObject({ apiVersion: "apps/v1", kind: "Deployment" });
    expect(() => new Deployment(manifest).validate()).not.toThrow();
    const broken = parse(text.replace("replicas: 4", "replicas: four")) as typeof manifest;
    expect(() => new Deployment(broken).validate()).toThrowError(/replicas/);
  });

  it("asks the port that the container's worker listens on, and waits longer than the worker does", () => {
    const pod = manifest.spec?.template.spec;
    const [worker] = pod?.containers ?? [];
    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(DRAIN_SECONDS);
    const port = Number(/"--port", "(\d+)"/.exec(read("Containerfile"))?.[1]);
    expect(worker?.ports).toEqual([{ name: "metrics", containerPort: port }]);
    expect(worker?.livenessProbe?.httpGet).toEqual({ path: "/healthz", port: "metrics" });
    expect(worker?.readinessProbe?.httpGet).toEqual({ path: "/readyz", port: "metrics" });
  });
});
