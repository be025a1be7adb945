import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenedSandbox } from "../../testing/test-sandbox-client.ts";
import { testSandboxClient } from "../../testing/test-sandbox-client.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

function openIn(containment: "require" | "none"): () => Promise<OpenedSandbox> {
  return async () => {
    const directory = await mkdtemp(join(tmpdir(), "skein-boxes-"));
    const client = await openLocalSandbox({ directory, containment });
    const others: string[] = [];
    return {
      client,
      reopen: () => openLocalSandbox({ directory, containment }),
      openElsewhere: async () => {
        const other = await mkdtemp(join(tmpdir(), "skein-elsewhere-"));
        others.push(other);
        return openLocalSandbox({ directory: other, containment });
      },
      close: async () => {
        for (const { id } of await client.list()) await (await client.attach(id))?.delete();
        for (const folder of [directory, ...others]) await rm(folder, { recursive: true, force: true });
      },
    };
  };
}

if (await canContainHere())
  testSandboxClient({
    name: "contained local boxes",
    open: openIn("require"),
    capabilities: { contained: true, forks: "files", travels: true },
  });
testSandboxClient({
  name: "plain local boxes",
  open: openIn("none"),
  capabilities: { contained: false, forks: "files", travels: true },
});
