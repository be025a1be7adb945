import { SkeinError } from "../errors.ts";
import type { BoxEvent, StoredEvent, TurnMark } from "../event/event.ts";
import type { Box, PromptOptions } from "../sandbox/sandbox.ts";

/** A turn that was under way when its process died, in a box that still lives. */
export interface TurnInFlight {
  readonly sessionId: string;
  readonly turnId: string;
  readonly parentIndex?: number;
}

/** The last place of a turn that is stored, wholly or in part. */
function lastMark(events: readonly StoredEvent[], turnId: string): TurnMark | undefined {
  return events.findLast(({ turn }) => turn?.id === turnId)?.turn;
}

/**
 * Goes on inside a turn from the last event that is stored, once and in order (B5). A delta of which only the beginning is stored, because the
 * redactor held back its end, is asked for again and gives its end. Where the box never heard of the turn, the prompt is sent now.
 */
export async function* resumeTurn(
  box: Box,
  prompt: string,
  stored: readonly StoredEvent[],
  { turnId, ...options }: PromptOptions & { readonly turnId: string },
): AsyncGenerator<BoxEvent> {
  const mark = lastMark(stored, turnId);
  const after = mark === undefined ? 0 : mark.offset === undefined ? mark.seq : mark.seq - 1;
  let drop = mark?.offset ?? 0;
  const { signal } = options;
  try {
    for await (const event of box.resumeTurn?.(turnId, { after, ...(signal === undefined ? {} : { signal }) }) ?? []) {
      if (drop > 0 && (event.type === "text.delta" || event.type === "reasoning.delta")) {
        yield { ...event, text: event.text.slice(drop) };
        drop = 0;
      } else {
        yield event;
      }
    }
  } catch (error) {
    if (mark !== undefined || !SkeinError.is(error) || error.code !== "turn_unknown") throw error;
    yield* box.streamPrompt(prompt, { turnId, ...options });
  }
}
