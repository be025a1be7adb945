/** What the process says to the one that started it. */
export const EXIT = {
  done: 0,
  /** The run, or what it was asked to do, failed. */
  failed: 1,
  /** The command was used wrongly, or names something that is not there. */
  usage: 2,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The exit code for how a run ended. */
export function toExitCode(status: "completed" | "failed" | "aborted" | "interrupted"): ExitCode {
  if (status === "completed") return EXIT.done;
  return status === "aborted" ? EXIT.interrupted : EXIT.failed;
}
