import { useRef, useState } from "preact/hooks";
import type { StoredEventOf } from "../../event/event.ts";
import { OpenQuestions } from "../../view/open-questions.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { useObservable } from "../data/observable.ts";
import { access } from "../data/server-access.ts";
import { postJson } from "../data/server.ts";
import type { SessionLog } from "../data/session-log.ts";
import { useKeys } from "../shell/keys.ts";

/** The questions that a run waits with, each with its answers. */
export function QuestionBanner({ log }: { readonly log: SessionLog }) {
  useObservable(access);
  const open = useRef<{ log: SessionLog; questions: OpenQuestions; count: number } | undefined>(undefined);
  if (open.current?.log !== log) open.current = { log, questions: new OpenQuestions(), count: 0 };
  const { current } = open;
  for (; current.count < log.events.length; current.count++) {
    const event = log.events[current.count];
    if (event !== undefined) current.questions.add(event);
  }
  // While the past comes in, its questions may have been answered.
  if (!log.isLoaded) return null;
  return (
    <>
      {current.questions.list().map((question, place) => (
        <Question key={question.requestId} question={question} sessionId={log.sessionId} hasKeys={place === 0} />
      ))}
    </>
  );
}

interface QuestionProps {
  readonly question: StoredEventOf<"permission.requested">;
  readonly sessionId: string;
  readonly hasKeys: boolean;
}

function Question({ question, sessionId, hasKeys }: QuestionProps) {
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
  useKeys(Object.fromEntries(Array.from({ length: 9 }, (_, place) => [String(place + 1), () => focus(place)])));
  return (
    <section class="banner ask-banner" aria-label="Waits for an answer">
      <p role="status">
        <strong>The run asks:</strong> {toPlainLine(title).slice(0, 2000)}
      </p>
      {access.mayWrite ? (
        <div class="answers" ref={answers}>
          {options.map(({ optionId, name }, place) => (
            <button
              type="button"
              disabled={given !== undefined}
              onClick={() => void answer(optionId, toPlainLine(name))}
            >
              {place < 9 ? <kbd aria-hidden="true">{place + 1}</kbd> : null} {toPlainLine(name).slice(0, 200)}
            </button>
          ))}
          <button type="button" disabled={given !== undefined} onClick={() => void answer(null, "turned down")}>
            {options.length < 9 ? <kbd aria-hidden="true">{options.length + 1}</kbd> : null} Turn it down
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
