// One question's release: everything about it that must hold together is one transaction: the client may ask, the
// consent lives and is spent, no other answer was ever given under this query id, the leaf is appended.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import {
  type Answer,
  type AuthorityFacts,
  type Catalogue,
  decideAnswer,
  type Product,
  requireProduct,
} from "../../catalogue/index.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { importPublic, PublicP256Jwk, sealJson } from "../../crypto/index.ts";
import type { ReleaseOutcome } from "../../proto/index.ts";
import type { AtRest } from "../at-rest.ts";
import { type Client, encryptionKey, findClient } from "../clients.ts";
import {
  type AuthorityDb,
  type AuthorityTx,
  type ConsentLedger,
  consentTables,
} from "../ledger.ts";
import type { ConsentLifecycle } from "../lifecycle.ts";
import type { Sequencing } from "../log/index.ts";
import type { LeafDraft } from "../log/leaf.ts";
import type { VerifiedRequest } from "../signed-request.ts";

export interface ReleaseItemParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly lifecycle: ConsentLifecycle;
  readonly catalogue: Catalogue;
  readonly atRest: AtRest;
}

export interface ItemRelease {
  readonly question: VerifiedRequest;
  readonly sealed: boolean;
  /** Decrypted sums of this item's slots. */
  readonly sums: readonly number[];
  /** Provinces whose values are in the sums. */
  readonly answered: number;
  /** Provinces in the roster. */
  readonly of: number;
  /** Why the first province that would not evaluate it would not. */
  readonly nodeRefusal: ErrorCode | undefined;
  readonly descriptorDigest: string;
  readonly epoch: number;
}

/** What is stored and told; the receipt joins it on the way out. */
interface StoredAnswer {
  readonly query_id: string;
  readonly product: string;
  readonly answer: Answer;
  readonly coverage: { readonly answered: number; readonly of: number };
  readonly model: { readonly id: string; readonly version: string } | null;
}

interface Released {
  readonly answer: StoredAnswer;
  readonly client: Client;
  /** Only for an answer given before. */
  readonly leafIndex?: number;
}

const SEAL_LABEL = "release.answer";

/** @throws WjfError why it is refused; nothing of it has then been spent or stored. */
export async function releaseItem(
  release: ItemRelease,
  parts: ReleaseItemParts,
): Promise<ReleaseOutcome> {
  const { value, receipts } = await parts.ledger.transact((tx, at) =>
    decideAndStore(release, tx, at, parts),
  );
  const receipt =
    value.leafIndex === undefined
      ? receipts[0]?.text
      : (await parts.ledger.log.receipt(value.leafIndex)).text;
  return await tell({ ...value.answer, receipt }, value.client, release.sealed);
}

async function decideAndStore(
  release: ItemRelease,
  tx: AuthorityTx,
  at: Sequencing,
  parts: ReleaseItemParts,
): Promise<{ value: Released; leaves?: readonly LeafDraft[] }> {
  const { question } = release;
  const { consent } = question;
  const product = requireProduct(parts.catalogue, question.product);
  const client = await requireClient(tx, release, product);
  const earlier = await findEarlier(question, tx, parts);
  if (earlier !== undefined) return { value: { ...earlier, client } };
  const live = await parts.lifecycle.requireActive(consentTables(tx), consent.grant_id);
  if (live.clientId !== consent.client_id) throw new WjfError("consent-unknown");
  if (!resultAllows(live.terms.result, product.kind)) throw new WjfError("product-not-consented");
  const facts = await gatherFacts(live.subjectTag, consent.client_id, product, tx, at, parts);
  const answer = decide(release, product, facts);
  await parts.lifecycle.spend(consentTables(tx), {
    consentId: consent.grant_id,
    releaseId: question.queryId,
    product: question.product,
  });
  await tx
    .insertInto("release")
    .values({
      query_id: question.queryId,
      question: questionDigest(question),
      client_id: consent.client_id,
      consent_id: consent.grant_id,
      answer_sealed: parts.atRest.seal(SEAL_LABEL, JSON.stringify(answer)),
      leaf_index: at.nextIndex,
      released_at: at.timeMs,
    })
    .execute();
  return { value: { answer, client }, leaves: [releaseLeaf(release, answer)] };
}

/** @throws WjfError `client-unknown`, `product-not-consented`, `client-sealed-only`. */
async function requireClient(
  tx: AuthorityTx,
  { question, sealed }: ItemRelease,
  product: Product,
): Promise<Client> {
  const client = await findClient(consentTables(tx), question.consent.client_id);
  if (client === undefined || client.disabled_at !== null) throw new WjfError("client-unknown");
  if (!client.products.includes(product.ref)) throw new WjfError("product-not-consented");
  if (client.sealed_only && !sealed) throw new WjfError("client-sealed-only");
  return client;
}

/** The first release under a query id is final. @throws WjfError `query-conflict` for another question. */
async function findEarlier(
  question: VerifiedRequest,
  tx: AuthorityTx,
  { atRest }: ReleaseItemParts,
): Promise<Omit<Released, "client"> | undefined> {
  const row = await tx
    .selectFrom("release")
    .select(["question", "answer_sealed", "leaf_index"])
    .where("query_id", "=", question.queryId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (row.question !== questionDigest(question)) throw new WjfError("query-conflict");
  const text = atRest.open(SEAL_LABEL, row.answer_sealed).toString("utf8");
  return { answer: JSON.parse(text) as StoredAnswer, leafIndex: row.leaf_index };
}

/** A retry sends the same body: claims that were sealed anew are another question. */
function questionDigest({ consent, product, claimsHash }: VerifiedRequest): string {
  return sha256Hex(
    canonicalJson({ client: consent.client_id, consent: consent.grant_id, product, claimsHash }),
  );
}

/** A `boolean` consent never lets a score out. */
function resultAllows(result: string, kind: Product["kind"]): boolean {
  return kind === "yes_no" || result === kind;
}

/** @throws WjfError the rule's refusal, or `coverage-incomplete`. */
function decide(release: ItemRelease, product: Product, facts: AuthorityFacts): StoredAnswer {
  // When no province would evaluate it, what they said is the answer.
  if (release.answered === 0) throw new WjfError(release.nodeRefusal ?? "coverage-incomplete");
  const decision = decideAnswer(product, release.sums, release.answered, facts);
  if (decision.kind === "refuse") throw new WjfError(decision.code);
  if (!decision.conclusive && release.answered < release.of) {
    throw new WjfError("coverage-incomplete");
  }
  return {
    query_id: release.question.queryId,
    product: product.ref,
    answer: decision.answer,
    coverage: { answered: release.answered, of: release.of },
    model: productModel(product),
  };
}

function productModel({ evaluation }: Product): StoredAnswer["model"] {
  if (evaluation.type !== "model") return null;
  return { id: evaluation.model.id, version: String(evaluation.model.version) };
}

function releaseLeaf(
  { question, descriptorDigest, epoch }: ItemRelease,
  answer: StoredAnswer,
): LeafDraft {
  const { consent } = question;
  return {
    type: "release",
    query_id: question.queryId,
    consent_id: consent.grant_id,
    token_id_sha256: sha256Hex(consent.jti),
    client_id: consent.client_id,
    purpose: consent.scope.split(" ").find((part) => part.startsWith("dpv:")) ?? "",
    product: answer.product,
    ...(answer.model && { model: answer.model }),
    answer_kind: answer.answer.kind,
    coverage: answer.coverage,
    descriptor_sha256: descriptorDigest,
    epoch,
  };
}

const DAY_MS = 86_400_000;

/** How many other institutions had an answer about the person: only the authority can count that. */
async function gatherFacts(
  subject: SubjectTag | null,
  clientId: string,
  product: Product,
  tx: AuthorityTx,
  at: Sequencing,
  parts: ReleaseItemParts,
): Promise<AuthorityFacts> {
  if (subject === null || !usesInstitutionCount(product)) return {};
  const rows = await tx
    .selectFrom("release")
    .innerJoin("consent", "consent.id", "release.consent_id")
    .select(["release.client_id", "release.released_at"])
    .where("consent.subject_index", "=", parts.lifecycle.subjectIndex(subject))
    .where("release.client_id", "!=", clientId)
    .execute();
  return {
    institutionsWithin: (days) => {
      const since = at.timeMs - days * DAY_MS;
      const recent = rows.filter((row) => row.released_at >= since);
      return new Set(recent.map((row) => row.client_id)).size;
    },
  };
}

function usesInstitutionCount({ rule }: Product): boolean {
  return rule.type === "weighted-mean" && rule.scale.authority.length > 0;
}

async function tell(
  answer: StoredAnswer & { receipt: string | undefined },
  client: Client,
  sealed: boolean,
): Promise<ReleaseOutcome> {
  if (!sealed) return { result: "answer", answer: JSON.stringify(answer) };
  const jwk = encryptionKey(client);
  if (jwk === undefined) throw new WjfError("client-unknown", "no encryption key is registered");
  const header = { typ: "weijifen-answer+jwe", kid: jwk.kid };
  const sealedAnswer = await sealJson(answer, importPublic(PublicP256Jwk.parse(jwk)), header);
  return { result: "sealed", sealed: sealedAnswer };
}
