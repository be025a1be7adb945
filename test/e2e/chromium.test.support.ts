/// <reference lib="dom" />
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import type axeCore from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

function findChromium(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
}

const path = findChromium();

/** Why tests with a browser are left out; undefined where they run. In CI they run, and fail where the browser is missing. */
export const whyNoBrowser =
  path === undefined && process.env["CI"] === undefined
    ? "no Chromium here: apt-get install --no-install-recommends chromium fonts-dejavu-core"
    : undefined;

export async function openBrowser(): Promise<Browser> {
  if (path === undefined) throw new Error("There is no Chromium on the PATH; .ci/run installs the package chromium.");
  // A container's root has no sandbox of its own; the pages are ours.
  return chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
}

/** What a page did that it should not have done: errors, refused content, requests to elsewhere, dialogs. */
export function watchPage(page: Page, origin: string): string[] {
  const incidents: string[] = [];
  page.on("pageerror", (error) => incidents.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A server that is away is told by the browser as an error of the network.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text()))
      incidents.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    incidents.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:") incidents.push(`request: ${request.url()}`);
  });
  page.on("popup", (popup) => incidents.push(`popup: ${popup.url()}`));
  return incidents;
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds serious in a page as it is now. */
export async function findSeriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof axeCore };
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  });
}

/** Keeps a picture of the page for a person to look at, where `SKEIN_PICTURES` names a folder. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const pictures = process.env["SKEIN_PICTURES"];
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
}
