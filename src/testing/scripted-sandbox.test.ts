import { runPromptLines } from "./scripted-lines.ts";
import { createScriptedSandbox } from "./scripted-sandbox.ts";
import { testSandboxClient } from "./test-sandbox-client.ts";

testSandboxClient({
  name: "scripted boxes",
  capabilities: { contained: true, forks: "files", processes: false },
  async open() {
    const client = createScriptedSandbox({ agent: runPromptLines, modes: ["files"], attachable: true });
    // They live in this process, so whoever opens them again finds the same ones.
    return { client, reopen: async () => client, close: async () => {} };
  },
});
