import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { ValidationError } from "../errors.ts";
import { withTimeout } from "../internal/with-timeout.ts";
import type { SkeinApp } from "./create-app.ts";

/** Where the server listens. @experimental */
export interface OpenServerOptions {
  readonly app: SkeinApp;
  /** What answers, where the app is mounted in something larger. Default: the app. */
  readonly fetch?: (request: Request) => Response | Promise<Response>;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 7337; 0 takes any that is free. */
  readonly port?: number;
}

/** A server that listens. @experimental */
export interface SkeinServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:7337`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Takes no more connections, ends the streams, lets answers that are on their way go out, then closes. Ends no run. */
  close(): Promise<void>;
}

/** How long answers that are on their way may take once the server closes. */
const DRAIN_MS = 3_000;

/** The longest that a client may take to say what it wants. */
const HEADERS_MS = 30_000;

const LOOPBACK_ADDRESS = /^(localhost|127(?:\.\d{1,3}){3}|::1)$/;

/**
 * Listens on an address of this machine. One that others can reach is refused where the app does not ask callers who they are.
 *
 * @throws ValidationError `port_in_use`; `invalid_option` for an address that cannot be listened on, or one that others reach without a token
 * @experimental
 */
export async function openServer(options: OpenServerOptions): Promise<SkeinServer> {
  const { app, host = "127.0.0.1", port = 7337 } = options;
  if (!app.isProtected && !LOOPBACK_ADDRESS.test(host)) {
    throw new ValidationError(
      "invalid_option",
      `The address ${host} can be reached by others, so callers must have a token: set SKEIN_TOKEN to a secret of at least 16 characters, or listen on 127.0.0.1.`,
    );
  }
  const listener = getRequestListener(options.fetch ?? app.fetch, { overrideGlobalObjects: false });
  const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: 300_000 }, (incoming, outgoing) => {
    // Events are small and should arrive when they happen.
    outgoing.socket?.setNoDelay(true);
    void listener(incoming, outgoing);
  });
  server.keepAliveTimeout = 65_000;
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await app.close();
    server.closeIdleConnections();
    const { done } = await withTimeout(closed, DRAIN_MS);
    if (!done) server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    host,
    port: address.port,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") {
        reject(
          new ValidationError(
            "port_in_use",
            `Port ${port} of ${host} is taken by another program; name another one with --port, or 0 for any that is free.`,
            { cause },
          ),
        );
        return;
      }
      reject(
        new ValidationError(
          "invalid_option",
          `The server cannot listen on port ${port} of ${host} (${cause.code ?? cause.message}); name another --host or --port.`,
          { cause },
        ),
      );
    });
    server.listen({ port, host }, () => resolve());
  });
}
