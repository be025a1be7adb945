import { runPromptLines } from "./scripted-lines.ts";
import type { ScriptedSandbox } from "./scripted-sandbox.ts";
import { createScriptedSandbox } from "./scripted-sandbox.ts";
import { testSandboxClient } from "./test-sandbox-client.ts";

testSandboxClient({
  name: "scripted boxes",
  capabilities: { contained: true, forks: "files", processes: false, travels: true },
  async open() {
    const openOne = (): ScriptedSandbox =>
      createScriptedSandbox({ agent: runPromptLines, modes: ["files"], attachable: true, travels: true });
    const client = openOne();
    // They live in this process, so whoever opens them again finds the same ones.
    return { client, reopen: async () => client, openElsewhere: async () => openOne(), close: async () => {} };
  },
});
