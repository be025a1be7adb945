// A loop whose second iteration never ends in the process that began it, for the test beside this file to kill. Prints each span that its SDK exports.
import { writeSync } from "node:fs";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { fanout, runLoop } from "../../dist/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { createTelemetry, createTelemetryIds } from "../../dist/telemetry/index.js";
import { createScriptedSandbox } from "../../dist/testing/index.js";

const [mode, path] = process.argv.slice(2);
const resume = mode === "resume";
const ids = createTelemetryIds();
const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { traceId, spanId } = span.spanContext();
      const links = span.links.map(({ context }) => context.spanId);
      const about = {
        traceId,
        spanId,
        parent: span.parentSpanContext?.spanId,
        name: span.name,
        links,
        status: span.status.code,
      };
      // All of it, before the next line of the program: the process may be killed at any moment.
      writeSync(1, `${JSON.stringify(about)}\n`);
    }
    done({ code: 0 });
  },
  shutdown: async () => {},
};
const provider = new BasicTracerProvider({ idGenerator: ids, spanProcessors: [new SimpleSpanProcessor(exporter)] });
const telemetry = createTelemetry({ tracer: provider.getTracer("skein"), ids });

const store = await openSqliteStore(path);
if (resume) await telemetry.recall(store, "loop");
await runLoop({
  task: "task",
  driver: fanout({ k: 2, prepare: true, rounds: 2 }),
  agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
  output: { parse: () => "output" },
  validator: { validate: (_output, { iteration }) => ({ valid: iteration === 2, score: iteration }) },
  sandboxClient: createScriptedSandbox({
    idPrefix: mode,
    agent: async function* ({ boxNumber }) {
      yield { type: "tool.started", toolCallId: "t", toolName: "edit" };
      if (!resume && boxNumber > 1) await new Promise(() => {});
      yield { type: "tool.ended", toolCallId: "t", toolName: "edit", status: "completed" };
    },
  }),
  maxConcurrency: 1,
  onLostBox: "fresh",
  store,
  sessionId: "loop",
  resume,
  onEvent: (event) => {
    telemetry.observe(event);
    // It is stored, and its end will never come.
    if (!resume && event.type === "tool.started" && event.sessionId === "loop.1") writeSync(1, "STUCK\n");
  },
});
await store.close();
