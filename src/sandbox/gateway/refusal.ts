import type { ServerResponse } from "node:http";

/** An answer of the gateway's own, in a shape in which each of the APIs looks for an error. */
export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  if (response.destroyed) return;
  const body = JSON.stringify({ type: "error", error: { type: code, code, message, status: code, param: null } });
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    .end(body);
}
