// Makes, checkpoints, forks and deletes a box, over and over, until it is killed. Each line that it prints is what it is about to do.
import { openPodmanSandbox } from "skein/sandbox/podman";

const [directory] = process.argv.slice(2);
const client = await openPodmanSandbox({ directory });
const say = (word) => process.stdout.write(`${word}\n`);
const options = { profile: { name: "scripted", agent: "scripted" }, claimMs: 3000, labels: { made: "by a child" } };

for (;;) {
  say("create");
  const box = await client.create(options);
  say("checkpoint");
  const { checkpointId } = await box.checkpoint({ mode: "memory" });
  say("fork");
  const fork = await box.fork(checkpointId);
  say("delete");
  await Promise.all([box.delete(), fork.delete(), client.deleteCheckpoint(checkpointId)]);
  say("round");
}
