import { BackendError, ValidationError } from "../../errors.ts";
import { linkSignals, raceAbort } from "../../internal/abort.ts";
import type { Validator } from "../loop-types.ts";

/**
 * The same validator, but it must answer within `timeoutMs`. One that does not is a failure of its iteration (`validator_failed`);
 * the signal that it was given fires then, so that it can stop what it started.
 *
 * The limit is no part of the validator's name: a loop may be resumed with another one.
 *
 * @throws ValidationError `invalid_option`
 * @stable
 */
export function withTimeLimit<Output>(validator: Validator<Output>, timeoutMs: number): Validator<Output> {
  if (!(timeoutMs > 0))
    throw new ValidationError(
      "invalid_option",
      `A validator's time limit is a positive number of milliseconds, not ${String(timeoutMs)}.`,
    );
  return {
    ...(validator.name === undefined ? {} : { name: validator.name }),
    async validate(output, context) {
      const { controller, unlink } = linkSignals(context.signal);
      const late = new BackendError(
        "validator_failed",
        `The validator ${validator.name ?? ""} did not answer within ${timeoutMs} ms.`.replace("  ", " "),
      );
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        controller.abort(late);
      }, timeoutMs);
      try {
        return await raceAbort(
          (async () => validator.validate(output, { ...context, signal: controller.signal }))(),
          controller.signal,
        );
      } catch (error) {
        // What a validator says of its fired signal would hide why it fired.
        throw isLate && context.signal?.aborted !== true ? late : error;
      } finally {
        clearTimeout(timer);
        unlink();
      }
    },
  };
}
