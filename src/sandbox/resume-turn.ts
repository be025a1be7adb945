import { SkeinError } from "../errors.ts";
import type { BoxEvent, TurnMark } from "../event/event.ts";
import type { Box, PromptOptions } from "./sandbox.ts";

/**
 * Goes on inside a turn from the last event that is stored, once and in order (B5). A delta of which only the beginning is stored, because the
 * redactor held back its end, is asked for again and gives its end. Where the box never heard of the turn, the prompt is sent now;
 * had it been sent all the same, its id would make it the same turn.
 *
 * @param mark the turn's last place in the log; undefined where nothing of it is stored
 */
export async function* resumeTurn(
  box: Box,
  prompt: string,
  mark: TurnMark | undefined,
  { turnId, ...options }: PromptOptions & { readonly turnId: string },
): AsyncGenerator<BoxEvent, void, undefined> {
  const after = mark === undefined ? 0 : mark.offset === undefined ? mark.seq : mark.seq - 1;
  let stored = mark?.offset ?? 0;
  const { signal, allowance } = options;
  const rest =
    box.resumeTurn?.(turnId, {
      after,
      ...(signal === undefined ? {} : { signal }),
      ...(allowance === undefined ? {} : { allowance }),
    }) ?? box.streamPrompt(prompt, { turnId, ...options });
  try {
    for await (const event of rest) {
      if (stored > 0 && (event.type === "text.delta" || event.type === "reasoning.delta")) {
        const text = event.text.slice(stored);
        stored = 0;
        if (text !== "") yield { ...event, text };
      } else {
        yield event;
      }
    }
  } catch (error) {
    if (mark !== undefined || !SkeinError.is(error) || error.code !== "turn_unknown") throw error;
    yield* box.streamPrompt(prompt, { turnId, ...options });
  }
}
