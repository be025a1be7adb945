import { AbortError } from "../errors.ts";
import { EXIT } from "./exit-codes.ts";

/**
 * Ctrl-C and SIGTERM. The first aborts in order: what runs is ended, its `final` is stored. The second leaves at once.
 * A reader that closes stdout (`| head`) also ends what runs in order, but nothing is said: nobody is there to read it.
 */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** True after Ctrl-C or SIGTERM. */
  readonly interrupted: boolean;
  /** True after the reader of stdout went away. */
  readonly readerGone: boolean;
  /** Says what there is to say through someone else, such as a part of the screen that is redrawn. @returns what takes it back */
  speakThrough(say: (line: string) => void): () => void;
}

export interface InterruptOptions {
  readonly process: NodeJS.Process;
  /** Says something on stderr. */
  readonly say: (line: string) => void;
  /** Leaves the process at once. */
  readonly leave: (exitCode: number) => never | void;
}

export function createInterrupt({ process, say, leave }: InterruptOptions): Interrupt {
  const controller = new AbortController();
  let speak = say;
  let interrupted = false;
  let readerGone = false;
  const onSignal = (): void => {
    if (interrupted) {
      leave(EXIT.interrupted);
      return;
    }
    interrupted = true;
    speak("stopping… press Ctrl-C again to leave at once");
    controller.abort(new AbortError("The command was interrupted."));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    readerGone = true;
    controller.abort(new AbortError("The reader of the output went away."));
  });
  // Without a listener a closed stderr would end the process in the middle of its clean-up.
  process.stderr.on("error", () => {});
  return {
    signal: controller.signal,
    get interrupted() {
      return interrupted;
    },
    get readerGone() {
      return readerGone;
    },
    speakThrough(other) {
      speak = other;
      return () => {
        speak = say;
      };
    },
  };
}
