import type { Context, Hono } from "hono";
import { FencedError, ValidationError } from "../../errors.ts";
import { DEFAULT_CONTENT_TYPE, isJsonStream } from "../../store/byte-stream-rules.ts";
import type {
  ByteStreamAppended,
  ByteStreamFork,
  ByteStreamProducer,
  ByteStreamState,
  ByteStreams,
} from "../../store/byte-streams.ts";
import { requireReadAll, requireWrite } from "../access/request-guard.ts";
import { problemResponse } from "../http/problem.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";
import { splitJsonMessages } from "./json-messages.ts";
import { joinBytes, respondToRead, tailHeaders } from "./read-stream.ts";
import type { StreamSource } from "./read-stream.ts";
import { parseOffset } from "./stream-position.ts";

const PREFIX = "/v1/stream/";
const MAX_PATH = 1024;
const READ_BYTES = 256 * 1024;

/** Plain streams by the Durable Streams protocol. */
export function addByteStreamRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const route = `${PREFIX}*`;

  app.put(route, async (context) => {
    requireWrite(context.get("caller"));
    return createStream(context, parts, needStreams(parts));
  });

  app.post(route, async (context) => {
    requireWrite(context.get("caller"));
    return appendToStream(context, parts, needStreams(parts));
  });

  app.get(route, async (context) => {
    requireReadAll(context.get("caller"));
    const streams = needStreams(parts);
    const path = parsePath(context.req.path);
    const state = await loadState(streams, path);
    if (context.req.method !== "HEAD") await streams.touch(path);
    const { signal } = context.get("caller");
    return respondToRead(toSource(streams, state), {
      request: context.req.raw,
      query: context.req.query(),
      signal: signal === undefined ? parts.closing : AbortSignal.any([signal, parts.closing]),
      longPollMs: parts.longPollMs,
      heartbeatMs: parts.heartbeatMs,
      openStream: () => parts.limits.openStream(),
    });
  });

  app.delete(route, async (context) => {
    requireWrite(context.get("caller"));
    const path = parsePath(context.req.path);
    const outcome = await needStreams(parts).delete(path);
    if (outcome !== "deleted") throw refuse(outcome, path);
    return new Response(null, { status: 204 });
  });
}

function needStreams({ store }: ServerParts): ByteStreams {
  if (store.byteStreams !== undefined) return store.byteStreams;
  throw new ValidationError(
    "streams_unsupported",
    `The store ${store.capabilities.name} keeps no plain streams; use one that comes with Skein.`,
  );
}

function refuse(why: "unknown" | "gone", path: string): ValidationError {
  return why === "gone"
    ? new ValidationError("stream_gone", `The stream ${JSON.stringify(path)} was deleted; others were forked from it.`)
    : new ValidationError("stream_unknown", `There is no stream ${JSON.stringify(path)}; create it with PUT.`);
}

async function loadState(streams: ByteStreams, path: string): Promise<ByteStreamState> {
  const state = await streams.find(path);
  if (typeof state === "string") throw refuse(state, path);
  return state;
}

/** The name of a stream: all that stands after the prefix. It is a key of the database and never a path of the disk. */
function parsePath(pathname: string): string {
  const at = pathname.indexOf(PREFIX);
  let path = "";
  try {
    path = at === -1 ? "" : decodeURIComponent(pathname.slice(at + PREFIX.length));
  } catch {
    // Not a valid escape: no name either.
  }
  // oxlint-disable-next-line no-control-regex
  if (path === "" || path.length > MAX_PATH || /[\u0000-\u001f\u007f]/.test(path))
    throw new ValidationError(
      "invalid_option",
      `A stream's address is ${PREFIX} and a name of at most ${MAX_PATH} characters, none of them a control character.`,
    );
  return path;
}

function toSource(streams: ByteStreams, state: ByteStreamState): StreamSource {
  const { path, contentType, id, ttlSeconds, expiresAt } = state;
  const isJson = isJsonStream(contentType);
  const check = <Found extends object>(found: Found | "unknown" | "gone"): Found => {
    if (typeof found === "string") throw refuse(found, path);
    return found;
  };
  return {
    contentType,
    id,
    start: 0,
    headers: {
      ...(ttlSeconds === undefined ? {} : { "stream-ttl": String(ttlSeconds) }),
      ...(expiresAt === undefined ? {} : { "stream-expires-at": new Date(expiresAt).toISOString() }),
    },
    async tail() {
      const { length, closed } = check(await streams.find(path));
      return { tail: length, closed };
    },
    async read(from) {
      const page = check(await streams.read(path, { from, limitBytes: READ_BYTES }));
      const { length, closed } = page.state;
      if (from > length || (isJson && !page.isBoundary))
        throw new ValidationError("invalid_option", "The offset is none that this stream has given; begin at -1.");
      return { bytes: joinBytes(page.chunks), next: page.next, tail: length, closed };
    },
    changed: ({ tail, closed }, signal) => streams.changed(path, { length: tail, closed }, signal),
  };
}

async function createStream(
  context: Context<RequestEnv>,
  { limits }: ServerParts,
  streams: ByteStreams,
): Promise<Response> {
  const { req } = context;
  const path = parsePath(req.path);
  const fork = parseFork(context);
  const contentType = parseContentType(req.header("content-type"));
  const ttlSeconds = parseTtl(req.header("stream-ttl"));
  const expiresAt = parseExpiry(req.header("stream-expires-at"));
  if (ttlSeconds !== undefined && expiresAt !== undefined)
    throw new ValidationError("invalid_option", "Give Stream-TTL or Stream-Expires-At, not both.");
  const body = await limits.readBody(req.raw);
  const source = fork === undefined || contentType !== undefined ? undefined : await streams.find(fork.from);
  const type = contentType ?? (typeof source === "object" ? source.contentType : DEFAULT_CONTENT_TYPE);
  const bytes = isJsonStream(type) && body.byteLength > 0 ? splitJsonMessages(body) : body;
  const outcome = await streams.create({
    path,
    ...(contentType === undefined ? {} : { contentType }),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(fork === undefined ? {} : { fork }),
    closed: isTrue(req.header("stream-closed")),
    bytes,
  });
  if (outcome.is === "source-unknown") throw refuse("unknown", fork?.from ?? "");
  if (outcome.is === "source-gone")
    throw new ValidationError(
      "stream_conflict",
      `The stream ${JSON.stringify(fork?.from)} was deleted; nothing can be forked from it any more.`,
    );
  if (outcome.is === "fork-invalid")
    throw new ValidationError("invalid_option", `The stream cannot be forked there: ${outcome.why}.`);
  if (outcome.is === "conflict")
    throw new ValidationError(
      "stream_conflict",
      `The stream ${JSON.stringify(path)} cannot be created as the request says: ${outcome.why}.`,
    );
  const { state } = outcome;
  return new Response(null, {
    status: outcome.is === "created" ? 201 : 200,
    headers: {
      "content-type": state.contentType,
      ...(outcome.is === "created" ? { location: req.url } : {}),
      ...tailHeaders(state.length, false, state.closed),
    },
  });
}

async function appendToStream(
  context: Context<RequestEnv>,
  { limits }: ServerParts,
  streams: ByteStreams,
): Promise<Response> {
  const { req } = context;
  const path = parsePath(req.path);
  const close = isTrue(req.header("stream-closed"));
  const contentType = parseContentType(req.header("content-type"));
  const producer = parseProducer(context);
  const streamSeq = req.header("stream-seq");
  const body = await limits.readBody(req.raw);
  const state = await loadState(streams, path);
  if (body.byteLength === 0 && !close)
    throw new ValidationError(
      "invalid_option",
      "An append has a body; to close the stream without one, send Stream-Closed: true.",
    );
  if (body.byteLength > 0 && contentType === undefined)
    throw new ValidationError("invalid_option", `An append names its content type, here ${state.contentType}.`);
  const isJson = isJsonStream(state.contentType) && contentType !== undefined && isJsonStream(contentType);
  const bytes = isJson && body.byteLength > 0 ? splitJsonMessages(body) : body;
  if (bytes.byteLength === 0 && body.byteLength > 0)
    throw new ValidationError("invalid_option", "An empty array appends nothing; send at least one message.");
  const outcome = await streams.append(path, {
    bytes,
    close,
    ...(contentType === undefined ? {} : { contentType }),
    ...(producer === undefined ? {} : { producer }),
    ...(streamSeq === undefined ? {} : { streamSeq }),
  });
  return toAppendResponse(outcome, path, bytes.byteLength > 0);
}

function toAppendResponse(outcome: ByteStreamAppended, path: string, hasBytes: boolean): Response {
  switch (outcome.is) {
    case "appended":
    case "duplicate": {
      const { state, producer } = outcome;
      return new Response(null, {
        status: outcome.is === "appended" && producer !== undefined && hasBytes ? 200 : 204,
        headers: {
          ...tailHeaders(state.length, false, state.closed),
          ...(producer === undefined
            ? {}
            : { "producer-epoch": String(producer.epoch), "producer-seq": String(producer.seq) }),
        },
      });
    }
    case "unknown":
    case "gone":
      throw refuse(outcome.is, path);
    case "closed":
      return problemResponse(
        new ValidationError("stream_closed", `The stream ${JSON.stringify(path)} is closed.`),
        tailHeaders(outcome.state.length, false, true),
      );
    case "type-mismatch":
      throw new ValidationError(
        "stream_conflict",
        `The stream ${JSON.stringify(path)} has the content type ${outcome.contentType}; append the same.`,
      );
    case "seq-regression":
      throw new ValidationError(
        "stream_conflict",
        "Stream-Seq must be greater than the last one, compared byte by byte.",
      );
    case "epoch-start":
      throw new ValidationError("invalid_option", "A new Producer-Epoch begins with Producer-Seq 0.");
    case "stale-epoch":
      return problemResponse(
        new FencedError(
          `The producer was taken over: its epoch is ${outcome.epoch} now. Stop, or begin epoch ${outcome.epoch + 1}.`,
        ),
        { "producer-epoch": String(outcome.epoch) },
      );
    case "seq-gap":
      return problemResponse(
        new ValidationError(
          "stream_conflict",
          `Producer-Seq ${outcome.expected} is expected, and ${outcome.received} came; send what lies between first.`,
        ),
        { "producer-expected-seq": String(outcome.expected), "producer-received-seq": String(outcome.received) },
      );
  }
}

function isTrue(header: string | undefined): boolean {
  return header?.trim().toLowerCase() === "true";
}

function parseContentType(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === "") return undefined;
  if (header.length > 256 || !/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:;|$)/.test(header))
    throw new ValidationError("invalid_option", `The content type ${JSON.stringify(header.slice(0, 80))} is none.`);
  return header.trim();
}

function parseTtl(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (!/^(?:0|[1-9]\d{0,9})$/.test(header))
    throw new ValidationError(
      "invalid_option",
      `Stream-TTL is a whole number of seconds, not ${JSON.stringify(header.slice(0, 40))}.`,
    );
  return Number(header);
}

function parseExpiry(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i.test(header)
    ? Date.parse(header)
    : Number.NaN;
  if (Number.isNaN(at))
    throw new ValidationError(
      "invalid_option",
      `Stream-Expires-At is a moment such as 2030-01-31T12:00:00Z, not ${JSON.stringify(header.slice(0, 40))}.`,
    );
  return at;
}

function parseFork({ req }: Context<RequestEnv>): ByteStreamFork | undefined {
  const from = req.header("stream-forked-from");
  if (from === undefined) {
    if (req.header("stream-fork-offset") ?? req.header("stream-fork-sub-offset"))
      throw new ValidationError("invalid_option", "A place to fork at needs Stream-Forked-From beside it.");
    return undefined;
  }
  const offset = req.header("stream-fork-offset");
  const position = offset === undefined ? "now" : parseOffset(offset);
  const subOffset = req.header("stream-fork-sub-offset");
  if (subOffset !== undefined && !/^(?:0|[1-9]\d{0,14})$/.test(subOffset))
    throw new ValidationError(
      "invalid_option",
      `Stream-Fork-Sub-Offset is a whole number, not ${JSON.stringify(subOffset.slice(0, 40))}.`,
    );
  return {
    from: parsePath(from),
    ...(position === "now" ? {} : { position: position === "start" ? 0 : position }),
    ...(subOffset === undefined ? {} : { subOffset: Number(subOffset) }),
  };
}

/** All three headers or none. */
export function parseProducer({ req }: Context<RequestEnv>): ByteStreamProducer | undefined {
  const id = req.header("producer-id");
  const epoch = req.header("producer-epoch");
  const seq = req.header("producer-seq");
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  const isWhole = (text: string | undefined): text is string =>
    text !== undefined && /^(?:0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
  if (id === undefined || id === "" || id.length > 256 || !isWhole(epoch) || !isWhole(seq))
    throw new ValidationError(
      "invalid_option",
      "A producer sends all of Producer-Id (not empty), Producer-Epoch and Producer-Seq (whole numbers from 0).",
    );
  return { id, epoch: Number(epoch), seq: Number(seq) };
}
