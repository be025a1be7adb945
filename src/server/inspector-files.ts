import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Nothing runs in the page but what came with the package, and nobody may frame it. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".map": "application/json",
};

interface InspectorFile {
  readonly path: string;
  readonly type: string;
}

/**
 * The built page of the inspector. Its files are listed once and only what is in the list is ever read,
 * so that no path of a request becomes a path of the disk.
 */
export class InspectorFiles {
  readonly #folder: string;
  #files: Promise<ReadonlyMap<string, InspectorFile>> | undefined;

  constructor(folder: string = fileURLToPath(new URL("../inspector/", import.meta.url))) {
    this.#folder = folder;
  }

  /** The file of a request's path; undefined where there is none. */
  async respond(pathname: string, method: string): Promise<Response | undefined> {
    this.#files ??= listFiles(this.#folder);
    const files = await this.#files;
    const file = files.get(pathname === "/" ? "/index.html" : pathname);
    if (file === undefined) return undefined;
    const bytes = await readFile(file.path);
    const headers = {
      "content-type": file.type,
      "content-length": String(bytes.byteLength),
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      // The names of assets hold the hash of their content.
      "cache-control": pathname.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    };
    return new Response(method === "HEAD" ? null : bytes, { headers });
  }
}

async function listFiles(folder: string): Promise<ReadonlyMap<string, InspectorFile>> {
  const files = new Map<string, InspectorFile>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length).replaceAll("\\", "/").replace(/^\/*/, "/");
    // What tsc builds lies beside the page, in files that only Node reads.
    if (name === "/index.html" || name.startsWith("/assets/") || /^\/[^/]+\.(svg|png|ico)$/.test(name))
      files.set(name, { path, type });
  }
  return files;
}
