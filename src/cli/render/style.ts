import picocolors from "picocolors";

/** The colours that a line may have; each gives its text back unchanged where colours are off. */
export type Style = Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "magenta", (text: string) => string>;

export function createStyle(enabled: boolean): Style {
  return picocolors.createColors(enabled);
}

/** For tests and pipes. */
export const PLAIN_STYLE: Style = createStyle(false);
