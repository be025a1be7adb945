import { SandboxError, ValidationError } from "../errors.ts";

/** A workspace in memory. Paths are relative to it. @experimental */
export class ScriptedFiles {
  readonly #files = new Map<string, Uint8Array>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @throws SandboxError `box_path` */
  write(path: string, data: string | Uint8Array): void {
    const place = toPlace(path);
    this.#files.set(place, typeof data === "string" ? Buffer.from(data) : Uint8Array.from(data));
    for (const tell of this.#waiting.get(place) ?? []) tell();
    this.#waiting.delete(place);
  }

  /** @throws SandboxError `box_path`; ValidationError `path_not_found` */
  read(path: string): Uint8Array {
    const data = this.#files.get(toPlace(path));
    if (data === undefined) throw new ValidationError("path_not_found", `There is no file ${path} in the box.`);
    return data;
  }

  /** Resolves when the file is there. */
  async waitFor(path: string): Promise<void> {
    const place = toPlace(path);
    if (this.#files.has(place)) return;
    await new Promise<void>((resolve) =>
      this.#waiting.set(place, (this.#waiting.get(place) ?? new Set()).add(resolve)),
    );
  }

  /** Paths, and contents in base64. */
  list(): [string, string][] {
    return [...this.#files].map(([path, data]) => [path, Buffer.from(data).toString("base64")]);
  }

  copy(): ScriptedFiles {
    const copy = new ScriptedFiles();
    for (const [path, data] of this.#files) copy.#files.set(path, data);
    return copy;
  }
}

function toPlace(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || path.includes("\0") || parts.length === 0 || parts.includes("..")) {
    throw new SandboxError("box_path", `The path ${JSON.stringify(path)} is not one inside the workspace.`);
  }
  return parts.join("/");
}
