// Makes, checkpoints and forks a box over a Docker engine, begins a turn that is to be found again, says what it read of it, and waits to be
// killed; or, with `leave`, makes a box and comes to its end without closing anything.
import { openDockerSandbox } from "skein/sandbox/docker";

const [directory, host, wish] = process.argv.slice(2);
const client = await openDockerSandbox({ directory, host });
const box = await client.create({ profile: { name: "scripted", agent: "scripted" }, claimMs: 60_000 });
if (wish !== "leave") {
  const { checkpointId } = await box.checkpoint();
  const fork = await box.fork(checkpointId);
  let read = 0;
  for await (const event of box.streamPrompt("chunks 20\ngate go\nchunks 20", { turnId: "long" }))
    if (event.type === "text.delta" && ++read === 10)
      process.stdout.write(`${JSON.stringify({ id: box.id, fork: fork.id, checkpointId, after: event.turn.seq })}\n`);
}
