// A gateway in an enemy's hands: it has the gateway's certificate and signing key, talks to nodes and authority over the
// real gRPC, and can do at every step what the real one would not.
import { type KeyObject, randomUUID } from "node:crypto";
import { join } from "node:path";
import { loadCatalogue, requireProduct, slotWidth } from "../../catalogue/index.ts";
import { QueryBody, queryIdOfProof } from "../../consent/verifier.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { partyFolder } from "../../core/config.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import {
  digestDescriptor,
  type DigestedDescriptor,
  type FanOutDescriptor,
  type FanOutItem,
  NodeReceipt,
  openStatement,
  SealScheme,
  type SignedStatement,
  signStatement,
} from "../../crypto/index.ts";
import { readGatewayKey } from "../../gateway/secrets.ts";
import {
  AuthorityClient,
  type EvaluateReply,
  type ItemCredentials,
  ProvinceNodeClient,
  provinceRole,
  readTlsIdentity,
  type ReleaseCommit,
  type ReleaseOutcome,
} from "../../proto/index.ts";
import type { Federation } from "./federation.ts";

export interface HostileFanOut {
  readonly digested: DigestedDescriptor;
  readonly credentials: readonly ItemCredentials[];
  /** In the order of the descriptor's provinces. */
  readonly replies: readonly EvaluateReply[];
}

const TIMEOUT_MS = 10_000;
const catalogue = loadCatalogue();

export class HostileGateway implements Disposable {
  readonly authority: AuthorityClient;
  readonly scheme: SealScheme;
  readonly signingKey: KeyObject;
  readonly #federation: Federation;
  readonly #nodes = new Map<string, ProvinceNodeClient>();
  readonly #resources = new DisposableStack();

  private constructor(federation: Federation, scheme: SealScheme) {
    const secrets = join(partyFolder(federation.settings.home, "gateway"), "secrets");
    const identity = readTlsIdentity(secrets);
    this.#federation = federation;
    this.scheme = this.#resources.use(scheme);
    this.signingKey = readGatewayKey(secrets);
    this.authority = this.#resources.use(
      new AuthorityClient(federation.settings.authorityEndpoint, identity),
    );
    for (const { code, endpoint } of this.epoch.roster.provinces) {
      const client = new ProvinceNodeClient(endpoint, provinceRole(code), identity);
      this.#nodes.set(code, this.#resources.use(client));
    }
  }

  static async open(federation: Federation): Promise<HostileGateway> {
    return new HostileGateway(federation, await SealScheme.create());
  }

  get epoch() {
    return this.#federation.authority.epochs.current();
  }

  get everyone(): ProvinceCode[] {
    return this.epoch.roster.provinces.map(({ code }) => code).toSorted();
  }

  /** A descriptor for these requests, as an honest gateway would write it, or bent. */
  describe(
    requests: readonly ItemCredentials[],
    provinces: readonly ProvinceCode[] = this.everyone,
    bent: { descriptor?: Partial<FanOutDescriptor>; item?: Partial<FanOutItem> } = {},
  ): DigestedDescriptor {
    let offset = 1;
    const items = requests.map((request): FanOutItem => {
      const item = { ...itemOf(request), slot_offset: offset, ...bent.item };
      offset += item.slot_width;
      return item;
    });
    return digestDescriptor({
      fan_out_id: randomUUID(),
      epoch: this.epoch.number,
      roster_digest: this.epoch.rosterDigest.toString("hex"),
      provinces: [...provinces],
      items,
      ...bent.descriptor,
    });
  }

  async evaluate(
    code: string,
    digested: DigestedDescriptor,
    credentials: readonly ItemCredentials[],
    admission?: SignedStatement,
  ): Promise<EvaluateReply> {
    const node = this.#nodes.get(code) as ProvinceNodeClient;
    const request = { descriptor: digested.bytes, credentials: [...credentials] };
    return await node.evaluate({ ...request, ...(admission && { admission }) }, TIMEOUT_MS);
  }

  /** The authority's word on a fan-out: an admission, or what it settles at once. */
  async admit(digested: DigestedDescriptor, credentials: readonly ItemCredentials[]) {
    const items = credentials.map((each) => ({ credentials: each, sealed: false }));
    return await this.authority.admit({ descriptor: digested.bytes, items }, TIMEOUT_MS);
  }

  /** What the node says it would not evaluate, and why. */
  refusals(code: string, { receipt }: EvaluateReply): NodeReceipt["refusals"] {
    const key = this.epoch.receiptKeys.get(code) as KeyObject;
    return openStatement("receipt", receipt, key, NodeReceipt, "receipt-invalid").refusals;
  }

  async fanOut(
    credentials: readonly ItemCredentials[],
    provinces: readonly ProvinceCode[] = this.everyone,
  ): Promise<HostileFanOut> {
    const digested = this.describe(credentials, provinces);
    const replies = await Promise.all(
      provinces.map((code) => this.evaluate(code, digested, credentials)),
    );
    return { digested, credentials, replies };
  }

  merge(ciphertexts: readonly Uint8Array[]): Buffer {
    using sum = this.scheme.sum();
    for (const ciphertext of ciphertexts) sum.add(ciphertext);
    return Buffer.from(sum.finish());
  }

  /** What an honest gateway would present, or bent. */
  commit(
    { digested, credentials, replies }: HostileFanOut,
    bent: Partial<ReleaseCommit> & { key?: KeyObject } = {},
  ): ReleaseCommit {
    const merged = bent.merged ?? this.merge(replies.map(({ ciphertext }) => ciphertext));
    const statement = { descriptor: digested.digest.toString("hex"), merged: sha256Hex(merged) };
    const { key = this.signingKey, ...rest } = bent;
    return {
      descriptor: digested.bytes,
      merged,
      commitment: signStatement("merge", statement, key),
      receipts: replies.map(({ receipt }) => receipt),
      items: credentials.map((each) => ({ credentials: each, sealed: false })),
      ...rest,
    };
  }

  async release(
    fanOut: HostileFanOut,
    bent: Parameters<HostileGateway["commit"]>[1] = {},
    reveal: () => readonly Uint8Array[] = () => fanOut.replies.map(({ ciphertext }) => ciphertext),
  ): Promise<readonly ReleaseOutcome[]> {
    return await this.authority.release(this.commit(fanOut, bent), reveal, TIMEOUT_MS);
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}

/** What the descriptor says of a request: for one that does not even parse, something of the right form. */
function itemOf({ token, proof, body }: ItemCredentials): Omit<FanOutItem, "slot_offset"> {
  const parsed = QueryBody.safeParse(parseJson(body));
  const asked = parsed.success ? parsed.data : undefined;
  const product = catalogue.products.has(asked?.product as never)
    ? (asked?.product as FanOutItem["product"])
    : ("credit-score@1" as FanOutItem["product"]);
  return {
    query_id: asked?.query_id ?? queryIdOfProof(proof),
    token_hash: sha256Hex(token),
    product,
    claims_hash: sha256Hex(asked?.claims ?? ""),
    slot_width: slotWidth(requireProduct(catalogue, product)),
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
