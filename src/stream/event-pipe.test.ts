import { expect, it } from "vitest";
import type { BoxEvent, StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { EventPipe } from "./event-pipe.ts";

const text = (said: string): BoxEvent => ({ type: "text.delta", text: said });

async function openPipe(deliver: (events: readonly StoredEvent[], pipe: EventPipe) => void): Promise<EventPipe> {
  const store = await openMemoryStore();
  await store.create({ id: "s1", kind: "task" });
  const pipe: EventPipe = new EventPipe(
    await store.openWriter("s1"),
    "run_1",
    (events) => deliver(events, pipe),
    () => {},
  );
  pipe.push([{ type: "run.started", kind: "task", task: {} }]);
  return pipe;
}

it("L1: hands on what is pushed while it hands on, after all that came before", async () => {
  const seen: number[] = [];
  const pipe = await openPipe((events, own) => {
    for (const event of events) {
      if (event.type === "text.delta" && event.text === "first") {
        own.push([text("pushed meanwhile")]);
        expect(own.submit()).toBe(false);
      }
      seen.push(event.seq);
    }
  });
  pipe.push([text("first"), text("second")]);
  await pipe.drain();
  expect(seen).toEqual([1, 2, 3, 4]);
});

it("stores what stands before an event that the store refuses, and then nothing more", async () => {
  const seen: number[] = [];
  const pipe = await openPipe((events) => seen.push(...events.map(({ seq }) => seq)));
  pipe.push([text("fits"), { type: "text.delta", text: 1 } as unknown as BoxEvent, text("comes too late")]);
  await expect(pipe.drain()).rejects.toMatchObject({ code: "event_invalid" });
  expect(seen).toEqual([1, 2]);
  pipe.push([text("comes too late")]);
  await expect(pipe.drain()).rejects.toMatchObject({ code: "event_invalid" });
});
