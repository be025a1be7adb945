import { AccessTokens, createApp, openServer } from "../../server/index.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { hasData, openData } from "../open-data.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { EXIT } from "../exit-codes.ts";

export interface ServeOptions extends CommonOptions {
  readonly port?: number;
  readonly host?: string;
  readonly allowOrigin?: readonly string[];
}

/** Serves until the first Ctrl-C, which ends the streams and no run. */
export async function serveData(line: CommandLine, options: ServeOptions): Promise<void> {
  const { terminal, interrupt, env } = line;
  const { SKEIN_TOKEN } = env;
  const tokens = SKEIN_TOKEN === undefined || SKEIN_TOKEN === "" ? undefined : new AccessTokens();
  tokens?.issue({ scope: "write", name: "SKEIN_TOKEN", token: SKEIN_TOKEN as string });
  // A directory that is not there yet is made: sessions that others begin in it are then seen.
  const isThere = await hasData(line, options);
  await using runtime = await openData(line, options, { need: isThere ? "read" : "write" });
  const app = createApp({
    store: runtime.store,
    inspector: true,
    access: {
      ...(tokens === undefined ? {} : { tokens }),
      ...(options.allowOrigin === undefined ? {} : { origins: options.allowOrigin }),
    },
    onError: (error) =>
      terminal.warn(terminal.errorStyle.yellow(toPlainLine(error instanceof Error ? error.message : String(error)))),
  });
  await using server = await openServer({
    app,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  const { url, host, port } = server;
  if (options.json === true) terminal.printJson({ url, host, port, directory: runtime.place }, "line");
  else
    terminal.print(
      `${terminal.style.bold(url)}  ${terminal.style.dim(`the sessions of ${runtime.place}`)}`,
      terminal.style.dim(
        tokens === undefined
          ? "Only this machine can reach it. Ctrl-C ends it."
          : "Callers need the token of SKEIN_TOKEN. Ctrl-C ends it.",
      ),
    );
  await new Promise<void>((resolve) => {
    if (interrupt.signal.aborted) resolve();
    interrupt.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await server.close();
  line.exit(EXIT.done);
}
