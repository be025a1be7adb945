import type { FencedError } from "../../errors.ts";
import { beginOf, offerBegin } from "../../store/begin-session.ts";
import type { SessionStore, SessionWriter } from "../../store/session-store.ts";

/**
 * A store as one job sees it. Once it is cut, nothing of the job reaches the log any more, not even the end of its run: the job belongs to
 * another worker, and an abort that were recorded here would end it there, too.
 */
export class StoreFence {
  readonly store: SessionStore;
  readonly #cut = new AbortController();
  /** The writer behind each that was handed out: sessions begin under it. */
  readonly #behind = new WeakMap<SessionWriter, SessionWriter>();

  constructor(store: SessionStore) {
    const { signal } = this.#cut;
    this.store = {
      capabilities: store.capabilities,
      create: async (session) => (signal.throwIfAborted(), store.create(session)),
      get: (sessionId) => store.get(sessionId),
      list: (filter) => store.list(filter),
      openWriter: async (sessionId, options) => {
        signal.throwIfAborted();
        return this.#fenceWriter(await store.openWriter(sessionId, options));
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
    const begin = beginOf(store);
    if (begin === undefined) return;
    offerBegin(this.store, async (about, first) => {
      signal.throwIfAborted();
      const under = first.under === undefined ? undefined : this.#behind.get(first.under);
      const begun = await begin(about, { ...first, ...(under === undefined ? {} : { under }) });
      return { ...begun, writer: this.#fenceWriter(begun.writer) };
    });
  }

  cut(reason: FencedError): void {
    this.#cut.abort(reason);
  }

  #fenceWriter(writer: SessionWriter): SessionWriter {
    const cut = this.#cut.signal;
    const lost = writer.lost === undefined ? cut : AbortSignal.any([writer.lost, cut]);
    const fenced: SessionWriter = {
      sessionId: writer.sessionId,
      epoch: writer.epoch,
      lost,
      append: (bodies, options) =>
        cut.aborted ? Promise.reject(cut.reason as FencedError) : writer.append(bodies, options),
      close: () => writer.close(),
      [Symbol.asyncDispose]: () => writer.close(),
    };
    this.#behind.set(fenced, writer);
    return fenced;
  }
}
