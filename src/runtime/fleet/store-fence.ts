import type { FencedError } from "../../errors.ts";
import type { SessionStore, SessionWriter } from "../../store/session-store.ts";

/**
 * A store as one job sees it. Once it is cut, nothing of the job reaches the log any more, not even the end of its run: the job belongs to
 * another worker, and an abort that were recorded here would end it there, too.
 */
export class StoreFence {
  readonly store: SessionStore;
  readonly #cut = new AbortController();

  constructor(store: SessionStore) {
    const { signal } = this.#cut;
    this.store = {
      capabilities: store.capabilities,
      create: async (session) => (signal.throwIfAborted(), store.create(session)),
      get: (sessionId) => store.get(sessionId),
      list: (filter) => store.list(filter),
      openWriter: async (sessionId, options) => {
        signal.throwIfAborted();
        return fenceWriter(await store.openWriter(sessionId, options), signal);
      },
      read: (sessionId, options) => store.read(sessionId, options),
      tail: (sessionId, options) => store.tail(sessionId, options),
      fork: async (sessionId, options) => (signal.throwIfAborted(), store.fork(sessionId, options)),
      recover: () => store.recover(),
      delete: async (sessionId) => (signal.throwIfAborted(), store.delete(sessionId)),
      prune: async (filter, options) => (signal.throwIfAborted(), store.prune(filter, options)),
      importSession: async (session, records) => (signal.throwIfAborted(), store.importSession(session, records)),
      putBlob: async (bytes) => (signal.throwIfAborted(), store.putBlob(bytes)),
      getBlob: (ref) => store.getBlob(ref),
      // The store is the worker's, and outlives the job.
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }

  cut(reason: FencedError): void {
    this.#cut.abort(reason);
  }
}

function fenceWriter(writer: SessionWriter, cut: AbortSignal): SessionWriter {
  const lost = writer.lost === undefined ? cut : AbortSignal.any([writer.lost, cut]);
  return {
    sessionId: writer.sessionId,
    epoch: writer.epoch,
    lost,
    append: (bodies, options) =>
      cut.aborted ? Promise.reject(cut.reason as FencedError) : writer.append(bodies, options),
    close: () => writer.close(),
    [Symbol.asyncDispose]: () => writer.close(),
  };
}
