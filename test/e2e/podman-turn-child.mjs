// Begins a turn in a box that is to be found again, says what it read of it, and waits to be killed.
import { openPodmanSandbox } from "skein/sandbox/podman";

const client = await openPodmanSandbox({ directory: process.argv[2] });
const box = await client.create({ profile: { name: "scripted", agent: "scripted" }, claimMs: 60_000 });
let read = 0;
for await (const event of box.streamPrompt("chunks 20\ngate go\nchunks 20", { turnId: "long" }))
  if (event.type === "text.delta" && ++read === 10)
    process.stdout.write(`${JSON.stringify({ id: box.id, after: event.turn.seq })}\n`);
