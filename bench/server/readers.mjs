// Another process: so many readers of one live session, by SSE. Says how long after it was stored each of them saw each event.
import { request } from "node:http";

const [, , url, count] = process.argv;
const delays = [];
let connected = 0;
let ended = 0;

function follow() {
  const outgoing = request(`${url}/api/sessions/tailed/live?after=0`, { agent: false }, (incoming) => {
    let text = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (chunk) => {
      const now = Date.now();
      text += chunk;
      for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        if (data === undefined) continue;
        const event = JSON.parse(data);
        if (event.type === "run.started" && ++connected === Number(count)) process.send("ready");
        if (event.type === "text.delta") delays.push(now - event.at);
        if (event.type === "final" && ++ended === Number(count)) {
          // So many of them are not in the pipe at once.
          process.send(delays, () => process.exit(0));
        }
      }
    });
  });
  outgoing.end();
}

for (let reader = 0; reader < Number(count); reader++) {
  follow();
  if (reader % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
}
