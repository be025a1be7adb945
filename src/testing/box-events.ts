import type { BoxEvent } from "../event/event.ts";

/** All events of a turn. */
export async function collect(events: AsyncIterable<BoxEvent> | Iterable<BoxEvent>): Promise<BoxEvent[]> {
  const all: BoxEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Hands each event on as it comes. */
export async function drain(events: AsyncIterable<BoxEvent>, onEvent: (event: BoxEvent) => void): Promise<void> {
  for await (const event of events) onEvent(event);
}

/** The next events of an iterator that stays open. */
export async function take(events: AsyncIterator<BoxEvent>, count: number): Promise<BoxEvent[]> {
  const taken: BoxEvent[] = [];
  while (taken.length < count) {
    const next = await events.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

/** What the agent said. */
export function textIn(events: readonly BoxEvent[]): string {
  return events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
}

/** The turn's `workspace.patch`. */
export function patchIn(events: readonly BoxEvent[]): string | undefined {
  const artifact = events.findLast((event) => event.type === "artifact.created" && event.name === "workspace.patch");
  return artifact?.type === "artifact.created" ? artifact.content : undefined;
}
