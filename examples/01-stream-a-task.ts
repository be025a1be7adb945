/**
 * Streams a run of any async iterable. Every event is stored before it arrives here, and the last one says how the run ended;
 * a backend that throws is an outcome to read, not an exception to catch.
 */
import { foldRun, streamTask } from "skein";
import type { StoredEvent } from "skein";
import { createIterableBackend } from "skein/backend/iterable";

const backend = createIterableBackend("counter", async function* ({ prompt }) {
  yield { type: "tool.started", toolCallId: "1", toolName: "count", args: { text: prompt } };
  yield { type: "tool.ended", toolCallId: "1", toolName: "count", status: "completed", result: prompt.length };
  yield { type: "text.delta", text: `That text has ${prompt.length} characters` };
  if (prompt.length > 20) throw new Error("The text is too long for me.");
  yield { type: "text.delta", text: "." };
});

for (const task of ["Count me.", "Count me too, I am a longer one."]) {
  const events: StoredEvent[] = [];
  for await (const event of streamTask({ task, backend })) events.push(event);
  const state = foldRun(events);
  console.log(`${state.status}: ${state.text}`);
  if (state.error !== undefined) console.log(`  ${state.error.message}`);
}

// prints: completed: That text has 9 characters.
// prints: failed: That text has 32 characters
// prints:   The text is too long for me.
