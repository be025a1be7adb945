/**
 * The door to the ACP SDK for agents that we write ourselves: no other folder imports the SDK for its agent side.
 * What passes through it are the protocol's own shapes, so that an agent behind it is an ordinary ACP agent.
 */
import type { Readable, Writable } from "node:stream";
import { Readable as NodeReadable, Writable as NodeWritable } from "node:stream";
import * as acp from "@agentclientprotocol/sdk/unstable";

export type AcpInitializeRequest = acp.InitializeRequest;
export type AcpInitializeResponse = acp.InitializeResponse;
export type AcpNewSessionRequest = acp.NewSessionRequest;
export type AcpNewSessionResponse = acp.NewSessionResponse;
export type AcpLoadSessionRequest = acp.LoadSessionRequest;
export type AcpLoadSessionResponse = acp.LoadSessionResponse;
export type AcpResumeSessionRequest = acp.ResumeSessionRequest;
export type AcpResumeSessionResponse = acp.ResumeSessionResponse;
export type AcpListSessionsRequest = acp.ListSessionsRequest;
export type AcpListSessionsResponse = acp.ListSessionsResponse;
export type AcpCloseSessionRequest = acp.CloseSessionRequest;
export type AcpPromptRequest = acp.PromptRequest;
export type AcpPromptResponse = acp.PromptResponse;
export type AcpSessionUpdate = acp.SessionUpdate;
export type AcpPermissionQuestion = acp.RequestPermissionRequest;
export type AcpPermissionOutcome = acp.RequestPermissionOutcome;

/** What an agent answers to. A method that is missing here is answered with -32601 by the connection. */
export interface AcpAgentHandlers {
  initialize(request: AcpInitializeRequest): Promise<AcpInitializeResponse>;
  newSession(request: AcpNewSessionRequest): Promise<AcpNewSessionResponse>;
  loadSession?(request: AcpLoadSessionRequest, client: AcpClientDoor): Promise<AcpLoadSessionResponse>;
  resumeSession?(request: AcpResumeSessionRequest): Promise<AcpResumeSessionResponse>;
  listSessions?(request: AcpListSessionsRequest): Promise<AcpListSessionsResponse>;
  closeSession?(request: AcpCloseSessionRequest): Promise<void>;
  /** `signal` fires when the connection is lost, or the request itself is cancelled (`$/cancel_request`). */
  prompt(request: AcpPromptRequest, client: AcpClientDoor, signal: AbortSignal): Promise<AcpPromptResponse>;
  /** `session/cancel`: makes the running prompt answer `cancelled`. */
  cancel(sessionId: string): void;
}

/** What an agent may say to its client. */
export interface AcpClientDoor {
  /** Resolves once the update is handed to the transport; updates keep their order. A client that is gone is no error. */
  update(sessionId: string, update: AcpSessionUpdate): Promise<void>;
  /**
   * Asks whoever sits in front of the client; `signal` takes the question back.
   *
   * @throws where the client is gone, or cannot be asked
   */
  askPermission(question: AcpPermissionQuestion, signal: AbortSignal): Promise<AcpPermissionOutcome>;
}

export interface AcpAgentServer {
  /** Resolves when the client has closed its side. */
  readonly closed: Promise<void>;
  close(): void;
}

/** The error -32002: no session has this id. */
export function acpSessionNotFound(sessionId: string): Error {
  return acp.RequestError.sessionNotFound(sessionId);
}

/** The error -32602: a parameter has a value that it cannot have. */
export function acpInvalidParams(message: string): Error {
  return acp.RequestError.invalidParams(undefined, message);
}

/** The error -32600: this cannot be asked at this moment. */
export function acpInvalidRequest(message: string): Error {
  return acp.RequestError.invalidRequest(undefined, message);
}

/** Serves an agent over newline-delimited JSON-RPC. */
export function serveAcpAgent(
  name: string,
  handlers: AcpAgentHandlers,
  streams: { readonly input: Readable; readonly output: Writable },
): AcpAgentServer {
  const toDoor = (context: acp.AgentContext): AcpClientDoor => ({
    update: async (sessionId, update) => {
      // A notification that cannot be delivered has no reader left: the connection's `closed` says so, once.
      await context.notify(acp.methods.client.session.update, { sessionId, update }).catch(() => {});
    },
    askPermission: async (question, signal) => {
      const options = { cancellationSignal: signal };
      const { outcome } = await context.request(acp.methods.client.session.requestPermission, question, options);
      return outcome;
    },
  });
  const { session } = acp.methods.agent;
  const app = acp
    .agent({ name })
    .onRequest(acp.methods.agent.initialize, ({ params }) => handlers.initialize(params))
    .onRequest(session.new, ({ params }) => handlers.newSession(params))
    .onRequest(session.prompt, ({ params, client, signal }) => handlers.prompt(params, toDoor(client), signal))
    .onNotification(session.cancel, ({ params }) => handlers.cancel(params.sessionId));
  if (handlers.loadSession) {
    const load = handlers.loadSession.bind(handlers);
    app.onRequest(session.load, ({ params, client }) => load(params, toDoor(client)));
  }
  if (handlers.resumeSession) {
    const resume = handlers.resumeSession.bind(handlers);
    app.onRequest(session.resume, ({ params }) => resume(params));
  }
  if (handlers.listSessions) {
    const list = handlers.listSessions.bind(handlers);
    app.onRequest(session.list, ({ params }) => list(params));
  }
  if (handlers.closeSession) {
    const close = handlers.closeSession.bind(handlers);
    app.onRequest(session.close, ({ params }) => close(params));
  }
  const stream = acp.ndJsonStream(
    NodeWritable.toWeb(streams.output) as WritableStream<Uint8Array>,
    NodeReadable.toWeb(streams.input) as ReadableStream<Uint8Array>,
  );
  const connection = app.connect(stream);
  return { closed: connection.closed, close: () => connection.close() };
}
