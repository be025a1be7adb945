import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ServerProblem } from "../data/server.ts";
import { useKeys } from "../shell/keys.ts";

export interface ActionButtonProps {
  readonly word: string;
  /** Opens the question too. */
  readonly keyName: string;
  readonly question: string;
  /** What the two buttons of the question say. */
  readonly yes: string;
  readonly no: string;
  readonly danger?: boolean;
  /** Resolves when it is done, and the dialog closes; what it throws is shown in the dialog. */
  readonly act: (fields: FormData) => Promise<void>;
  /** Fields of the question; made anew each time it is asked. */
  readonly children?: ComponentChildren;
}

/** A button that asks before it does something. */
export function ActionButton(props: ActionButtonProps) {
  const { word, keyName, question, yes, no, danger = false, act, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const open = (): void => {
    setProblem("");
    setOpen(true);
  };
  // Once its fields are there: the first of them gets the focus.
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  useKeys({ [keyName]: open });
  const submit = async (form: HTMLFormElement): Promise<void> => {
    setBusy(true);
    setProblem("");
    try {
      await act(new FormData(form));
      dialog.current?.close();
    } catch (error) {
      setProblem(error instanceof ServerProblem || error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class={danger ? "danger" : ""} title={`${word} (${keyName})`} onClick={open}>
        {word}
      </button>
      <dialog ref={dialog} class="dialog" aria-label={word} onClose={() => setOpen(false)}>
        {isOpen ? (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void submit(event.currentTarget);
            }}
          >
            <p>{question}</p>
            {children}
            {problem === "" ? null : (
              <p class="bad" role="alert">
                {problem}
              </p>
            )}
            <p class="dialog-buttons">
              <button type="button" onClick={() => dialog.current?.close()}>
                {no}
              </button>
              <button type="submit" class={danger ? "danger" : "main-button"} disabled={isBusy}>
                {yes}
              </button>
            </p>
          </form>
        ) : null}
      </dialog>
    </>
  );
}
