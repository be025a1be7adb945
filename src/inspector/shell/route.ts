import { useEffect, useState } from "preact/hooks";

export const TABS = ["lineage", "timeline", "usage"] as const;
export type Tab = (typeof TABS)[number];

/** Where the page is. It stands in the fragment of the address, so that the server never sees it. */
export type Route =
  | { readonly view: "list" }
  | { readonly view: "session"; readonly id: string; readonly tab?: Tab; readonly seq?: number }
  | { readonly view: "compare"; readonly left: string; readonly right: string };

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?");
  const [, view, one, other] = path.split("/").map(decode);
  if (view === "session" && one !== undefined && one !== "") {
    const tab = TABS.find((name) => name === other);
    const seq = Number(new URLSearchParams(query).get("seq") ?? NaN);
    return {
      view,
      id: one,
      ...(tab === undefined ? {} : { tab }),
      ...(Number.isSafeInteger(seq) && seq > 0 ? { seq } : {}),
    };
  }
  if (view === "compare" && one !== undefined && other !== undefined) return { view, left: one, right: other };
  return { view: "list" };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function toHash(route: Route): string {
  switch (route.view) {
    case "session": {
      const tab = route.tab === undefined ? "" : `/${route.tab}`;
      return `#/session/${encodeURIComponent(route.id)}${tab}${route.seq === undefined ? "" : `?seq=${route.seq}`}`;
    }
    case "compare":
      return `#/compare/${encodeURIComponent(route.left)}/${encodeURIComponent(route.right)}`;
    default:
      return "#/";
  }
}

export function goTo(route: Route): void {
  location.hash = toHash(route);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const onChange = (): void => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return route;
}
