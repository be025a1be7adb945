import type { EventBody } from "./event.ts";

const NAME = "loop.winner";

/** What a loop writes when it has chosen. */
export function toWinnerEvent(iterationIndex: number): EventBody {
  return { type: "custom", name: NAME, data: { iterationIndex } };
}

/** The iteration that won, where the event says so. */
export function readWinner(event: EventBody): number | undefined {
  if (event.type !== "custom" || event.name !== NAME) return undefined;
  const { iterationIndex } = (event.data ?? {}) as { readonly iterationIndex?: unknown };
  return typeof iterationIndex === "number" ? iterationIndex : undefined;
}
