import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunQueue } from "./run-queue.ts";
import type { WorkerFigures } from "./worker-figures.ts";

/** A worker's own HTTP server. */
export interface WorkerServer extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

/** Where it listens, and what it tells. */
export interface WorkerServerOptions {
  readonly figures: WorkerFigures;
  readonly queue: RunQueue;
  /** 0: any that is free. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

/**
 * What orchestrators and monitoring ask a worker: `/healthz` (the process answers), `/readyz` (it takes jobs; 503 while it starts, drains or
 * has lost its lease), `/metrics` (Prometheus). Nothing can be changed through it.
 */
export async function openWorkerServer({
  figures,
  queue,
  port,
  host = "127.0.0.1",
}: WorkerServerOptions): Promise<WorkerServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text);
    };
    const path = request.url?.split("?", 1)[0];
    if (request.method !== "GET" && request.method !== "HEAD") answer(405, "GET only\n");
    else if (path === "/healthz") answer(200, "ok\n");
    else if (path === "/readyz") answer(figures.isReady ? 200 : 503, figures.isReady ? "ready\n" : "not ready\n");
    else if (path === "/metrics")
      void readFleet(queue).then(
        (fleet) => answer(200, figures.render(fleet)),
        // The worker's own figures are worth having while the database is away.
        () => answer(200, figures.render()),
      );
    else answer(404, "there are /healthz, /readyz and /metrics\n");
  });
  server.listen(port, host);
  await once(server, "listening");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

async function readFleet(queue: RunQueue): Promise<Parameters<WorkerFigures["render"]>[0]> {
  const [queued, running, workers] = await Promise.all([
    queue.jobs({ state: "queued", limit: 10_000 }),
    queue.jobs({ state: "running" }),
    queue.workers(),
  ]);
  return { jobs: [...queued, ...running], workers };
}
