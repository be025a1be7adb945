import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { afterEach, expect, it } from "vitest";
import { runLoop } from "../loop/run-loop.ts";
import type { SessionStore } from "../store/session-store.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { traceSession } from "./create-telemetry.ts";
import { toOtlp } from "./otlp-json.ts";
import type { OtlpTraces } from "./otlp-json.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import { readOtlpSettings } from "./otlp-settings.ts";
import { readSpans } from "./read-spans.ts";
import { sendSpans } from "./send-spans.ts";
import type { SpanRecord } from "./span-record.ts";
import { createSdk, forkingLoop } from "./telemetry.test.support.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function runStored(): Promise<SessionStore> {
  const store = await openMemoryStore();
  await runLoop(forkingLoop({ store, sessionId: "loop" }));
  return store;
}

async function collect(spans: AsyncIterable<SpanRecord>): Promise<SpanRecord[]> {
  const all: SpanRecord[] = [];
  for await (const span of spans) all.push(span);
  return all;
}

interface Span {
  readonly spanId: string;
  readonly [field: string]: unknown;
}

const spansOf = (traces: OtlpTraces): Span[] =>
  (traces.resourceSpans as { scopeSpans: { spans: Span[] }[] }[]).flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans),
  );

it("writes what OpenTelemetry's own serializer writes of the same spans", async () => {
  const store = await runStored();
  const ours = spansOf(toOtlp(await collect(readSpans(store, "loop"))));
  const { tracer, ids, exporter } = createSdk();
  await traceSession(store, "loop", { tracer, ids });
  const bytes = JsonTraceSerializer.serializeRequest(exporter.getFinishedSpans());
  const theirs = spansOf(JSON.parse(new TextDecoder().decode(bytes)) as OtlpTraces);
  // Their counts of what was dropped are 0, which stands for absent; so do their flags here, which tell a remote parent.
  const known = (span: Span): unknown =>
    JSON.parse(
      JSON.stringify(span, (key, value: unknown) =>
        /^(dropped\w+Count|flags|traceState)$/.test(key) ? undefined : value,
      ),
    );
  const byId = (spans: Span[]): unknown[] => spans.sort((a, b) => (a.spanId < b.spanId ? -1 : 1)).map(known);
  expect(ours.length).toBe(19);
  expect(byId(ours)).toEqual(byId(theirs));
});

interface Collector {
  readonly settings: OtlpSettings;
  readonly requests: { readonly url: string; readonly headers: Record<string, unknown>; readonly body: OtlpTraces }[];
}

async function openCollector(statuses: number[]): Promise<Collector> {
  const requests: Collector["requests"] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (piece: string) => (body += piece));
    request.on("end", () => {
      requests.push({ url: request.url ?? "", headers: request.headers, body: JSON.parse(body) as OtlpTraces });
      response.writeHead(statuses[requests.length - 1] ?? 200).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const settings = readOtlpSettings({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:secret-password@127.0.0.1:${(server.address() as AddressInfo).port}/`,
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=secret%20key,x=1",
    OTEL_SERVICE_NAME: "agents",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
  });
  if (settings === undefined) throw new Error("no settings");
  // fetch takes no URL with a password.
  return { settings: { ...settings, url: settings.url.replace("user:secret-password@", "") }, requests };
}

it("sends spans to a collector, with the headers and the resource of the environment, and again where it is asked to", async () => {
  const store = await runStored();
  const { settings, requests } = await openCollector([503, 200]);
  expect(await sendSpans(readSpans(store, "loop"), settings)).toBe(19);
  expect(requests.map(({ url }) => url)).toEqual(["/v1/traces", "/v1/traces"]);
  expect(requests[1]?.headers).toMatchObject({ "api-key": "secret key", x: "1", "content-type": "application/json" });
  expect(requests[1]?.body).toEqual(requests[0]?.body);
  const [resourceSpans] = (requests[1] as Collector["requests"][number]).body.resourceSpans;
  expect((resourceSpans as { resource: { attributes: unknown } }).resource.attributes).toEqual([
    { key: "service.name", value: { stringValue: "agents" } },
    { key: "deployment.environment", value: { stringValue: "test" } },
  ]);
});

it("says without secrets that a collector refused", async () => {
  const store = await runStored();
  const { settings, requests } = await openCollector([400]);
  const failure = await sendSpans(readSpans(store, "loop"), settings).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "telemetry_failed" });
  expect(String(failure)).toContain("HTTP 400");
  expect(String(failure)).not.toContain("secret");
  expect(requests).toHaveLength(1);
});

it.each([
  [{}, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "true" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_TRACES_EXPORTER: "none" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/base/" }, "http://c:4318/base/v1/traces"],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/own" }, "http://c:4318/own"],
])("reads where spans go from %j", (env, url) => {
  expect(readOtlpSettings(env)?.url).toBe(url);
});

it.each([
  { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" },
  { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
  { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_HEADERS: "secret-key" },
  { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_HEADERS: "a=secret-key%" },
])("refuses %j, and does not repeat what may be a key", (env) => {
  expect(() => readOtlpSettings(env)).toThrowError(/OTEL_EXPORTER_OTLP/);
  expect(() => readOtlpSettings(env)).not.toThrowError(/secret/);
});
