import { useRef } from "preact/hooks";
import { connection } from "../data/connection.ts";
import { useObservable } from "../data/observable.ts";
import { token } from "../data/server.ts";
import { formatAge } from "../../view/format-figures.ts";
import { useClock } from "./use-clock.ts";

/** Says that the server is away, or that it wants to know who asks. */
export function ConnectionBanner() {
  useObservable(connection);
  const field = useRef<HTMLInputElement>(null);
  const since = connection.awaySince;
  const now = useClock(since !== undefined);
  if (connection.refused !== undefined)
    return (
      <form
        class="banner warn-banner"
        onSubmit={(event) => {
          event.preventDefault();
          token.keep(field.current?.value.trim() ?? "");
          location.reload();
        }}
      >
        <label>
          {"This server wants a token. "}
          <input ref={field} type="password" autocomplete="off" required aria-label="Token" />
        </label>{" "}
        <button type="submit">Use it</button>
      </form>
    );
  if (since === undefined) return null;
  return (
    <p class="banner warn-banner" role="status">
      {`The server is away${now - since < 1000 ? "" : ` (${formatAge(now - since)})`}. What is shown is what was received; the page goes on by itself when it is back.`}
    </p>
  );
}
