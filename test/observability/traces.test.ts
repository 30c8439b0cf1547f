// Traces over the parties. The gateway is a process of its own and sends its spans to a collector; nodes and authority keep theirs
// in memory. A failure: a fan-out whose spans are not one trace, a span or a trace id that tells of a question, a person, an
// institution or an answer, a node's span that is finer than its reply quantum, an SDK loaded where no collector is named.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { partyFolder } from "../../core/config.ts";
import { exportTraces } from "../../core/trace-export.ts";
import { clientSecurity, ProvinceNodeStub, readTlsIdentity } from "../../proto/index.ts";
import { Bank } from "../federation/bank.ts";
import { CANARY, canariesIn, plantCanary } from "../federation/canaries.ts";
import { startFederation } from "../federation/federation.ts";
import { startGatewayProcess } from "../federation/gateway-process.ts";
import { MemoryExporter, type SeenSpan, startCollector } from "./collector.ts";

const PRODUCTS = ["identity-verification@1", "credit-score@1"];
/** What an institution would have its trace be called: hexadecimal digits can be a phone number. */
const CHOSEN = CANARY.msisdn.slice(1).padStart(32, "0");

const ids: string[] = [CHOSEN];
let gateway: readonly SeenSpan[] = [];
let others: readonly SeenSpan[] = [];
let all: readonly SeenSpan[] = [];

beforeAll(async () => {
  await using collector = await startCollector();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint);
  const memory = new MemoryExporter();
  {
    await using _tracing = exportTraces("nodes-and-authority", memory);
    await using federation = await startFederation({
      provinces: 3,
      peoplePerProvince: 4,
      plant: (rawFolder, code) => {
        if (code === "11") plantCanary(rawFolder);
      },
      startGateway: async (settings) => {
        const diagnostics = join(settings.home, "diagnostics");
        mkdirSync(diagnostics);
        return await startGatewayProcess(settings, diagnostics);
      },
    });
    const bank = await Bank.register(federation, {
      clientId: "bank-in-plain-sight",
      products: PRODUCTS,
    });
    const consent = await bank.consent({ subject: CANARY.msisdn, products: PRODUCTS });
    ids.push(bank.clientId, consent.id, consent.token, String(consent.claims["jti"]));
    const ask = async (product: string, claims?: unknown): Promise<number> => {
      const body = JSON.stringify({
        product,
        query_id: ids[ids.push(randomUUID()) - 1],
        ...(claims === undefined ? {} : { claims: await bank.sealClaims(claims) }),
      });
      const response = await fetch(`${federation.gateway.url}/v1/queries`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `DPoP ${consent.token}`,
          dpop: await bank.proof(consent.token, body),
          traceparent: `00-${CHOSEN}-00000000000000ab-01`,
          tracestate: `bank=${CANARY.msisdn.slice(1)}`,
          baggage: `person=${CANARY.cnId}`,
        },
        body,
      });
      await response.body?.cancel();
      return response.status;
    };
    expect(await ask("credit-score@1")).toBe(200);
    const claim = { msisdn: CANARY.msisdn, name: CANARY.name, cn_id_number: CANARY.cnId };
    const checks = [{ indicator: "id.three_elements", claim }];
    expect(await ask("identity-verification@1", { checks })).toBe(200);
    expect(await ask(`a${CANARY.cnId.toLowerCase()}@1`)).toBe(404);
    await sendFreeText(federation.authority.epochs.current().roster.provinces[0]?.endpoint ?? "");

    /** A hostile gateway's metadata: what is not `traceparent` is free text. */
    async function sendFreeText(endpoint: string): Promise<void> {
      const secrets = join(partyFolder(federation.settings.home, "gateway"), "secrets");
      const security = clientSecurity(readTlsIdentity(secrets), "p11" as never);
      const stub = new ProvinceNodeStub(endpoint, security.credentials, security.options);
      const metadata = new Metadata();
      metadata.set("traceparent", `00-${"7".repeat(32)}-00000000000000cd-01`);
      metadata.set("tracestate", `wjf=${CANARY.cnId}`);
      metadata.set("baggage", `person=${CANARY.cnId}`);
      const request = { descriptor: Buffer.from(CANARY.name), credentials: [] };
      await new Promise<void>((resolve) => {
        (stub as never as Record<string, (...parameters: unknown[]) => void>)["Evaluate"]?.(
          request,
          metadata,
          () => resolve(),
        );
      });
      stub.close();
    }
  }
  gateway = collector.spans;
  others = memory.spans;
  all = [...gateway, ...others];
});
afterAll(() => vi.unstubAllEnvs());

const named = (spans: readonly SeenSpan[], name: string, kind?: SeenSpan["kind"]): SeenSpan[] =>
  spans.filter((span) => span.name === name && (kind === undefined || span.kind === kind));

describe("one fan-out is one trace", () => {
  test("from the gateway through three nodes and the authority, each under who called it", () => {
    const [fanOut] = named(gateway, "fan-out");
    expect(fanOut?.parentId).toBeUndefined();
    const trace = all.filter(({ traceId }) => traceId === fanOut?.traceId);
    const byId = new Map(trace.map((span) => [span.spanId, span]));
    const path = (span: SeenSpan | undefined): string =>
      span === undefined
        ? ""
        : `${path(byId.get(span.parentId ?? ""))}/${span.name}${span.kind === "server" ? "!" : ""}`;
    expect(trace.map(path).toSorted()).toEqual(
      [
        "/fan-out",
        "/fan-out/Admit",
        "/fan-out/Admit/Admit!",
        "/fan-out/Release",
        "/fan-out/Release/Release!",
        "/fan-out/Release/Release!/commit",
        "/fan-out/Release/Release!/decrypt",
        "/fan-out/Release/Release!/merge audit",
        "/fan-out/merge",
        "/fan-out/round",
        ...Array.from({ length: 3 }, () => "/fan-out/round/Evaluate"),
        ...Array.from({ length: 3 }, () => "/fan-out/round/Evaluate/Evaluate!"),
      ].toSorted(),
    );
    const asked = named(trace, "Evaluate", "client").map((span) => span.attributes["wjf.province"]);
    const answered = named(trace, "Evaluate", "server").map(
      (span) => span.attributes["wjf.province"],
    );
    expect(answered).toHaveLength(3);
    expect(new Set(answered)).toEqual(new Set(asked));
    expect(new Set(asked).size).toBe(3);
  });

  test("a question's own trace stays at the gateway; the fan-out's points to it", () => {
    const queries = named(gateway, "query");
    expect(queries).toHaveLength(3);
    const answered = queries.filter(({ failed }) => !failed).map(({ traceId }) => traceId);
    expect(
      named(gateway, "fan-out")
        .flatMap(({ links }) => links)
        .toSorted(),
    ).toEqual(answered.toSorted());
    const elsewhere = new Set(others.map(({ traceId }) => traceId));
    expect(queries.filter(({ traceId }) => elsewhere.has(traceId))).toEqual([]);
  });

  test("a refusal is its code", () => {
    const refused = named(gateway, "query").filter(({ failed }) => failed);
    expect(refused.map(({ attributes }) => attributes)).toEqual([
      { "wjf.code": "product-unknown" },
    ]);
  });
});

describe("what spans tell", () => {
  test("nothing of a person, a question, an institution, a consent or a token", () => {
    expect(all.length).toBeGreaterThan(30);
    for (const { raw, traceId } of all) {
      expect(canariesIn(raw)).toEqual([]);
      expect(ids.filter((id) => raw.includes(id) || traceId === id)).toEqual([]);
    }
  });

  test("attributes of a fixed set, no events, and of the process which service it is", () => {
    const keys = new Set(all.flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...keys].toSorted()).toEqual(
      ["code", "product", "province", "questions", "round", "slots"].map((key) => `wjf.${key}`),
    );
    expect(all.filter(({ events }) => events > 0)).toEqual([]);
    expect(gateway[0]?.resource).toEqual({
      "service.name": "weijifen-gateway",
      "service.version": expect.any(String) as string,
    });
  });

  test("a node makes one span of a call, and none within: its time ends on the reply's quantum", () => {
    const servers = named(others, "Evaluate", "server");
    // Two fan-outs at three nodes, and the one that was refused.
    expect(servers).toHaveLength(7);
    const spanIds = new Set(servers.map(({ spanId }) => spanId));
    expect(others.filter(({ parentId }) => spanIds.has(parentId ?? ""))).toEqual([]);
  });
});

describe("what is loaded", () => {
  /** Packages of OpenTelemetry that a node's process loads; it has no keys, and ends when it looks for them. */
  function loaded(environment: NodeJS.ProcessEnv): string[] {
    const hook = `
      import { registerHooks } from "node:module";
      registerHooks({ load(url, context, next) {
        const [, name] = /@opentelemetry\\/([\\w-]+)/.exec(url) ?? [];
        if (name !== undefined) process.stdout.write(name + "\\n");
        return next(url, context);
      } });`;
    const { stdout, status } = spawnSync(
      process.execPath,
      [
        "--import",
        `data:text/javascript,${encodeURIComponent(hook)}`,
        "province-node/main.ts",
        "--province",
        "11",
      ],
      {
        encoding: "utf8",
        env: { PATH: process.env["PATH"], WJF_HOME: "no-such-folder", ...environment },
      },
    );
    expect(status).toBe(78);
    return [...new Set(stdout.trim().split("\n"))].toSorted();
  }

  test("without a collector, the API alone", () => {
    expect(loaded({})).toEqual(["api"]);
    expect(loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toEqual(["api"]);
  });

  test("with one, the SDK and the exporter", () => {
    const packages = loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
    expect(packages).toEqual(expect.arrayContaining(["sdk-trace", "exporter-trace-otlp-http"]));
  });
});
