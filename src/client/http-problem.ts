/** What the server answered instead of doing what was asked. `code` is one of `docs/errors.md`. @experimental */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  /** HTTP status. */
  readonly status: number;
  readonly code: string;
  /** True where the same request may succeed later. */
  readonly retryable: boolean;

  constructor(status: number, { code, detail, retryable }: { code?: unknown; detail?: unknown; retryable?: unknown }) {
    super(typeof detail === "string" ? detail : `The server answered ${status}.`);
    this.status = status;
    this.code = typeof code === "string" ? code : "unknown";
    this.retryable = typeof retryable === "boolean" ? retryable : status === 429 || status >= 500;
  }

  static async from(response: Response): Promise<HttpProblem> {
    const body: unknown = await response.json().catch(() => ({}));
    return new HttpProblem(response.status, typeof body === "object" && body !== null ? body : {});
  }
}
