// A province node as its gateway sees it: a process of its own, asked over the real gRPC interface with the gateway's
// certificate, about people it holds and people it does not. The authority's admissions are signed here with its key, so
// that nothing but the node's own work is in the time.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { loadCatalogue, requireProduct, slotWidth } from "../../catalogue/index.ts";
import { readFederation } from "../../consent/epochs.ts";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { partyFolder } from "../../core/config.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import {
  digestDescriptor,
  importPublic,
  normaliseMsisdn,
  sealJson,
  sealSubject,
  signStatement,
  subjectTag,
} from "../../crypto/index.ts";
import {
  type EvaluateRequest,
  ProvinceNodeClient,
  provinceRole,
  readTlsIdentity,
} from "../../proto/index.ts";
import type { Federation } from "../federation/federation.ts";

/** A question as an institution would have sent it; used again and again under new ids. */
export interface Question {
  readonly held: boolean;
  readonly product: string;
  readonly sub: string;
  readonly jti: string;
  readonly claims: string | undefined;
}

const MAIN = join(import.meta.dirname, "../../province-node/main.ts");
const TIMEOUT_MS = 10_000;

export class ObservedNode implements AsyncDisposable {
  readonly #federation: Federation;
  readonly #process: ChildProcess;
  readonly #client: ProvinceNodeClient;
  readonly #secrets;
  readonly #groupKey;

  private constructor(
    federation: Federation,
    code: ProvinceCode,
    process_: ChildProcess,
    endpoint: string,
  ) {
    this.#federation = federation;
    this.#process = process_;
    const folder = partyFolder(federation.settings.home, "authority");
    this.#secrets = readAuthoritySecrets(join(folder, "secrets"));
    this.#groupKey = readFederation(join(folder, "federation.json")).group_key;
    const gateway = join(partyFolder(federation.settings.home, "gateway"), "secrets");
    this.#client = new ProvinceNodeClient(endpoint, provinceRole(code), readTlsIdentity(gateway));
  }

  /** Takes the place of the federation's own node of that province. */
  static async start(
    federation: Federation,
    code: string,
    quantumMs: number,
  ): Promise<ObservedNode> {
    const { settings } = federation;
    await federation.stopNode(code);
    const path = join(partyFolder(settings.home, "authority"), "federation.json");
    const own = readFederation(path).provinces.find((province) => province.code === code);
    if (own === undefined) throw new Error(`no province ${code}`);
    const port = Number(own.endpoint.split(":")[1]);
    const child = spawn(process.execPath, [MAIN, "--province", code], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        WJF_HOME: settings.home,
        WJF_AUTHORITY_ENDPOINT: settings.authorityEndpoint,
        WJF_NODE_BASE_PORT: String(port - Number(code)),
        WJF_REPLY_QUANTUM_MS: String(quantumMs),
        WJF_VERIFY_SAMPLE: "0",
        WJF_LOG_LEVEL: "info",
      },
    });
    const node = new ObservedNode(federation, own.code, child, own.endpoint);
    await node.#ready();
    return node;
  }

  async #ready(): Promise<void> {
    for (;;) {
      const question = await this.question("+8613900000000", false, "credit-score@1");
      try {
        await this.ask(question);
        return;
      } catch (error) {
        if (this.#process.exitCode !== null) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async question(
    msisdn: string,
    held: boolean,
    product: string,
    claims?: unknown,
  ): Promise<Question> {
    const { subjectKey, subjectMasterKey } = this.#secrets;
    const tag = subjectTag(subjectKey, "msisdn", normaliseMsisdn(msisdn));
    const jti = randomUUID();
    const header = { typ: "weijifen-claims+jwe", kid: this.#groupKey.kid };
    return {
      held,
      product,
      jti,
      sub: sealSubject(subjectMasterKey, 1, tag, jti),
      claims:
        claims === undefined
          ? undefined
          : await sealJson(claims, importPublic(this.#groupKey), header),
    };
  }

  #request(questions: readonly Question[]): EvaluateRequest {
    const { roster, rosterDigest } = this.#federation.authority.epochs.current();
    let offset = 1;
    const items = questions.map(({ product, claims }) => {
      const width = slotWidth(requireProduct(loadCatalogue(), product));
      const item = {
        query_id: randomUUID() as never,
        token_hash: sha256Hex("token"),
        product: product as never,
        claims_hash: sha256Hex(claims ?? ""),
        slot_offset: offset,
        slot_width: width,
      };
      offset += width;
      return item;
    });
    const { bytes, digest } = digestDescriptor({
      fan_out_id: randomUUID(),
      epoch: roster.epoch,
      roster_digest: rosterDigest.toString("hex"),
      provinces: roster.provinces.map(({ code }) => code).toSorted(),
      items,
    });
    const admission = {
      descriptor: digest.toString("hex"),
      items: questions.map(({ sub, jti }) => ({ sub, jti })),
      expires_at: roster.not_after,
    };
    const credentials = questions.map(({ product, claims }) => ({
      token: "not looked at",
      proof: "not looked at",
      body: Buffer.from(JSON.stringify({ product, ...(claims && { claims }) })),
    }));
    return {
      descriptor: bytes,
      credentials,
      admission: signStatement("admission", admission, this.#secrets.admissionKey),
    };
  }

  /** How long the reply to all of them in one fan-out took, and how many bytes it has. */
  async ask(...questions: Question[]): Promise<{ readonly ms: number; readonly bytes: number }> {
    const request = this.#request(questions);
    const startedMs = performance.now();
    const { ciphertext, receipt } = await this.#client.evaluate(request, TIMEOUT_MS);
    const ms = performance.now() - startedMs;
    const refused = (JSON.parse(receipt.statement.toString()) as { refusals: unknown[] }).refusals;
    if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`);
    return { ms, bytes: ciphertext.length + receipt.statement.length + receipt.signature.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    const ended = once(this.#process, "exit");
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGTERM");
      await ended;
    }
  }
}
