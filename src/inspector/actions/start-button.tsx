import { useObservable } from "../data/observable.ts";
import { access } from "../data/server-access.ts";
import { postJson } from "../data/server.ts";
import { goTo } from "../shell/route.ts";
import { ActionButton } from "./action-button.tsx";
import { InputField, readInput } from "./input-field.tsx";

/** Starts a task or loop that the server offers; nothing where it offers none. */
export function StartButton() {
  useObservable(access);
  if (access.offers.length === 0) return null;
  return (
    <ActionButton
      word="New run"
      keyName="n"
      question="Start a run?"
      yes="Start it"
      no="Cancel"
      act={async (fields) => {
        const name = String(fields.get("name"));
        const { sessionId } = await postJson<{ sessionId: string }>("/api/runs", { name, input: readInput(fields) });
        goTo({ view: "session", id: sessionId });
      }}
    >
      <label class="field">
        What
        <select name="name">
          {access.offers.map(({ name, kind, description }) => (
            <option value={name}>{`${name} (${kind})${description === undefined ? "" : `: ${description}`}`}</option>
          ))}
        </select>
      </label>
      <InputField input={{}} />
    </ActionButton>
  );
}
