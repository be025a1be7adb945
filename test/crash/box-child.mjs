// Makes boxes, checkpoints and forks with turns and detached processes in them, without end, for the test beside this file to kill.
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";

const [directory] = process.argv.slice(2);
const profile = { name: "scripted", agent: "scripted" };
const client = await openLocalSandbox({ directory });
process.stdout.write("open\n");

/** A box may die under a call at any moment; that is what it is here for. */
const bear = (work) => work().catch(() => {});

for (;;) {
  await bear(async () => {
    const box = await client.create({ profile, files: [{ path: "a.txt", data: "a" }], limits: { pids: 200 } });
    process.stdout.write(`${box.id}\n`);
    await box.exec(["sh", "-c", "setsid sleep 1000 > /dev/null 2>&1 &"]);
    const { checkpointId } = await box.checkpoint();
    const turn = bear(async () => {
      for await (const _event of box.streamPrompt("chunks 200\ngate go\nchunks 200"));
    });
    const fork = await box.fork(checkpointId);
    process.stdout.write(`${fork.id}\n`);
    await bear(async () => {
      for await (const _event of fork.streamPrompt("chunks 50\nwrite b.txt b"));
    });
    await box.writeFile("go", "");
    await turn;
    await Promise.all([box.delete(), fork.delete()]);
    await client.deleteCheckpoint(checkpointId);
  });
}
