import { useEffect, useState } from "preact/hooks";
import { CompareView } from "../compare/compare-view.tsx";
import { SessionList } from "../list/session-list.tsx";
import { ConnectionBanner } from "./connection-banner.tsx";
import { useObservable } from "../data/observable.ts";
import { directory } from "../data/session-directory.ts";
import { EmptyState } from "./empty-state.tsx";
import { KeyHelp } from "./key-help.tsx";
import { useKeys } from "./keys.ts";
import { goTo, useRoute } from "./route.ts";
import { SessionView } from "./session-view.tsx";
import { applyTheme, nextTheme, readTheme } from "./theme.ts";

const THEME_WORDS = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" } as const;
const THEME_MARKS = { auto: "◐", light: "☀", dark: "☾" } as const;

export function App() {
  const route = useRoute();
  const [theme, setTheme] = useState(readTheme);
  const [isHelp, setHelp] = useState(false);
  useEffect(() => applyTheme(theme), [theme]);
  useKeys(
    {
      "?": () => setHelp(!isHelp),
      d: () => setTheme(nextTheme(theme)),
      Escape: () => {
        if (isHelp) setHelp(false);
        else if (route.view !== "list") goTo({ view: "list" });
        else return false;
      },
    },
    "page",
  );
  return (
    <div class={`app view-${route.view}`}>
      <header class="bar">
        <a class="brand" href="#/">
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d="M2 8h3c3 0 2-4.5 5-4.5h4M5 8c3 0 2 4.5 5 4.5h4" class="brand-line" />
          </svg>
          skein
        </a>
        <span class="space" />
        <button
          type="button"
          class="icon-button"
          title={`${THEME_WORDS[theme]} (d)`}
          aria-label={THEME_WORDS[theme]}
          onClick={() => setTheme(nextTheme(theme))}
        >
          {THEME_MARKS[theme]}
        </button>
        <button type="button" class="icon-button" title="Keys (?)" aria-label="Keys" onClick={() => setHelp(true)}>
          ?
        </button>
      </header>
      <ConnectionBanner />
      <div class="panes">
        <SessionList selectedId={route.view === "session" ? route.id : undefined} isPage={route.view === "list"} />
        <main>
          {route.view === "session" ? (
            <SessionView key={route.id} route={route} />
          ) : route.view === "compare" ? (
            <CompareView route={route} />
          ) : (
            <NothingChosen />
          )}
        </main>
      </div>
      {isHelp ? <KeyHelp onClose={() => setHelp(false)} /> : null}
    </div>
  );
}

/** Beside the list; where that has nothing to choose from, it says so itself. */
function NothingChosen() {
  useObservable(directory);
  if (directory.sessions.length === 0) return null;
  return (
    <EmptyState title="Choose a session.">
      <p>
        <kbd>j</kbd> <kbd>k</kbd> and <kbd>Enter</kbd>, or a click. <kbd>?</kbd> shows all keys.
      </p>
    </EmptyState>
  );
}
