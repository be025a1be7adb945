import { useMemo, useRef, useState } from "preact/hooks";
import type { StoredEventOf } from "../../event/event.ts";
import { OpenQuestions } from "../../event/open-questions.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { useObservable } from "../data/observable.ts";
import { access } from "../data/server-access.ts";
import type { RunningIteration } from "../data/running-iterations.ts";
import { postJson } from "../data/server.ts";
import type { SessionLog } from "../data/session-log.ts";
import { useKeys } from "../shell/keys.ts";
import { toHash } from "../shell/route.ts";

interface AskedIn {
  readonly log: SessionLog;
  /** Of a loop that is shown, where the question is an iteration's. */
  readonly iteration?: number;
}

export interface QuestionBannerProps {
  readonly log: SessionLog;
  /** The iterations of a loop that run, whose questions are the loop's too. */
  readonly running: readonly RunningIteration[];
}

/** The questions that a run waits with, each with its answers. */
export function QuestionBanner({ log, running }: QuestionBannerProps) {
  useObservable(access);
  const read = useMemo(() => new Map<SessionLog, { questions: OpenQuestions; count: number }>(), [log]);
  const asked: AskedIn[] = [{ log }, ...running.map(({ index, log: own }) => ({ log: own, iteration: index }))];
  const questions = asked.flatMap(({ log: own, iteration }) => {
    const known = read.get(own) ?? { questions: new OpenQuestions(), count: 0 };
    read.set(own, known);
    for (const event of own.events.slice(known.count)) known.questions.add(event);
    known.count = own.events.length;
    // While the past comes in, its questions may have been answered.
    if (!own.isLoaded) return [];
    return known.questions.list().map((question) => ({ question, sessionId: own.sessionId, iteration }));
  });
  return (
    <>
      {questions.map(({ question, sessionId, iteration }, place) => (
        <Question
          key={`${sessionId} ${question.requestId}`}
          question={question}
          sessionId={sessionId}
          iteration={iteration}
          hasKeys={place === 0}
        />
      ))}
    </>
  );
}

interface QuestionProps {
  readonly question: StoredEventOf<"permission.requested">;
  readonly sessionId: string;
  readonly iteration: number | undefined;
  readonly hasKeys: boolean;
}

function Question({ question, sessionId, iteration, hasKeys }: QuestionProps) {
  const { requestId, title, options } = question;
  const answers = useRef<HTMLDivElement>(null);
  const [given, setGiven] = useState<string | undefined>();
  const [problem, setProblem] = useState("");
  const answer = async (optionId: string | null, name: string): Promise<void> => {
    setProblem("");
    setGiven(name);
    try {
      await postJson(`/api/runs/${encodeURIComponent(sessionId)}/answer`, { requestId, optionId });
    } catch (error) {
      setGiven(undefined);
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  // A digit shows which answer is meant, and Enter gives it: one key alone grants nothing.
  const focus = (place: number): void | false => {
    const button = answers.current?.querySelectorAll("button")[place];
    if (!hasKeys || button === undefined) return false;
    button.focus();
  };
  useKeys(
    Object.fromEntries(Array.from({ length: 9 }, (_, place) => [String(place + 1), () => focus(place)])),
    "question",
  );
  return (
    <section class="banner ask-banner" aria-label="Waits for an answer">
      <p role="status">
        <strong>
          {iteration === undefined ? (
            "The run asks:"
          ) : (
            <>
              Iteration <a href={toHash({ view: "session", id: sessionId, tab: "timeline" })}>{`#${iteration}`}</a>{" "}
              asks:
            </>
          )}
        </strong>{" "}
        {toPlainLine(title).slice(0, 2000)}
      </p>
      {access.mayWrite ? (
        <div class="answers" ref={answers}>
          {options.map(({ optionId, name }, place) => (
            <button
              type="button"
              disabled={given !== undefined}
              onClick={() => void answer(optionId, toPlainLine(name))}
            >
              {hasKeys && place < 9 ? <kbd aria-hidden="true">{place + 1}</kbd> : null}{" "}
              {toPlainLine(name).slice(0, 200)}
            </button>
          ))}
          <button type="button" disabled={given !== undefined} onClick={() => void answer(null, "none of these")}>
            {hasKeys && options.length < 9 ? <kbd aria-hidden="true">{options.length + 1}</kbd> : null} None of these
          </button>
          {given === undefined ? null : <span class="quiet">{`handed on: ${given.slice(0, 200)}`}</span>}
        </div>
      ) : (
        <p class="quiet">Somebody who may write can answer it.</p>
      )}
      {problem === "" ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
