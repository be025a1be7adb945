import { isAbortError } from "../errors.ts";
import { toErrorDetail } from "../event/error-detail.ts";
import type { FinalBody, Usage } from "../event/event.ts";

/** How the rounds came to an end. */
export interface RoundsEnd<Decision> {
  readonly reason: string;
  readonly decision?: Decision;
}

/** What the end of a loop is judged by. */
export interface LoopEnd<Decision> {
  readonly end: RoundsEnd<Decision> | undefined;
  /** What stopped the loop, if something did. */
  readonly failure: { readonly error: unknown } | undefined;
  /** The caller's signal has fired. */
  readonly isAborted: boolean;
  /** There is a validator, and it accepted nothing. */
  readonly isNothingValid: boolean;
  readonly usage: Usage;
  readonly durationMs: number;
}

/** The `final` of a loop's run. */
export function toLoopFinal<Decision>({
  end,
  failure,
  isAborted,
  isNothingValid,
  usage,
  durationMs,
}: LoopEnd<Decision>): FinalBody {
  if (failure !== undefined) {
    if (isAborted && isAbortError(failure.error))
      return { type: "final", status: "aborted", reason: "aborted", usage, durationMs };
    const error = toErrorDetail(failure.error);
    return { type: "final", status: "failed", reason: error.code ?? "loop_failed", error, usage, durationMs };
  }
  const isFailed = isNothingValid || end?.decision === "fail";
  const reason = isNothingValid ? "no_valid_output" : (end?.reason ?? "done");
  return { type: "final", status: isFailed ? "failed" : "completed", reason, usage, durationMs };
}
