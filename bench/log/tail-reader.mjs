// Another process: tails a session and says how long after it was written it saw each event. The clock is the machine's, the same in both.
import { openSqliteStore } from "skein/store/sqlite";

const store = await openSqliteStore(process.argv[2], { readOnly: true });
const delays = [];
let isReady = false;
for await (const event of store.tail("tailed", { until: "final" })) {
  const now = process.hrtime.bigint();
  if (event.type === "text.delta")
    delays.push(Number(now - BigInt(event.text.slice(0, event.text.indexOf(" ")))) / 1e6);
  if (!isReady) process.send("ready");
  isReady = true;
}
process.send(delays);
await store.close();
process.disconnect();
