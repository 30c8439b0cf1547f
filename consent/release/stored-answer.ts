// An answer as it is kept and told: sealed at rest under its query id, given again to the same question and to no other, and
// told with its receipt, in clear or as a JWE to the institution's registered key.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { ProductRef, QueryId } from "../../core/ids.ts";
import type { Answer, Product } from "../../catalogue/index.ts";
import { importPublic, PublicP256Jwk, sealJson } from "../../crypto/index.ts";
import type { ReleaseOutcome } from "../../proto/index.ts";
import type { AtRest } from "../at-rest.ts";
import { type Client, encryptionKey } from "../clients.ts";
import type { ObjectionMark } from "../objections.ts";
import type { ReleaseTable } from "./schema.ts";

/** What is asked, by whom, under which consent: verified before it comes to the release. */
export interface Question {
  readonly queryId: QueryId;
  readonly product: ProductRef;
  /** SHA-256 of the claims JWE, or of nothing. */
  readonly claimsHash: string;
  readonly clientId: string;
  readonly consentId: string;
  /** SHA-256 of the token's `jti`, hexadecimal. */
  readonly tokenIdHash: string;
}

/** What is stored and told; the receipt joins it on the way out. */
export interface StoredAnswer {
  readonly query_id: string;
  readonly product: string;
  readonly answer: Answer;
  readonly coverage: { readonly answered: number; readonly of: number };
  readonly model: { readonly id: string; readonly version: string } | null;
  /** The person disputes what this kind of answer says about them: see consent/objections.ts. */
  readonly objection?: ObjectionMark;
}

const SEAL_LABEL = "release.answer";

export function sealAnswer(text: string, atRest: AtRest): Buffer {
  return atRest.seal(SEAL_LABEL, text);
}

/**
 * The JSON of the answer that was given before.
 * @throws WjfError `query-conflict` when the query id was used for another question, or its answer is destroyed.
 */
export function openAnswer(
  row: Pick<ReleaseTable, "question" | "answer_sealed">,
  question: Question,
  atRest: AtRest,
): string {
  if (row.question !== questionDigest(question)) throw new WjfError("query-conflict");
  if (row.answer_sealed.length === 0) {
    throw new WjfError("query-conflict", "its answer is destroyed");
  }
  return atRest.open(SEAL_LABEL, row.answer_sealed).toString("utf8");
}

/** For the person it is about; undefined once it is destroyed. */
export function readAnswer(sealed: Uint8Array, atRest: AtRest): StoredAnswer | undefined {
  if (sealed.length === 0) return undefined;
  return JSON.parse(atRest.open(SEAL_LABEL, sealed).toString("utf8")) as StoredAnswer;
}

/** A retry sends the same claims: claims that were sealed anew are another question. */
export function questionDigest({ clientId, consentId, product, claimsHash }: Question): string {
  return sha256Hex(canonicalJson({ client: clientId, consent: consentId, product, claimsHash }));
}

export function productModel({ evaluation }: Product): StoredAnswer["model"] {
  if (evaluation.type !== "model") return null;
  return { id: evaluation.model.id, version: String(evaluation.model.version) };
}

/**
 * @param answer JSON of a StoredAnswer.
 * @throws WjfError `client-unknown` when it is to be sealed and the client has no key for that.
 */
export async function tell(
  answer: string,
  receipt: string,
  client: Client,
  sealed: boolean,
): Promise<ReleaseOutcome> {
  const told = withReceipt(answer, receipt);
  if (!sealed) return { result: "answer", answer: told };
  const jwk = encryptionKey(client);
  if (jwk === undefined) throw new WjfError("client-unknown", "no encryption key is registered");
  const content = JSON.parse(told) as StoredAnswer;
  const what = content.answer.kind === "alerts" ? "alert" : "answer";
  const header = { typ: `weijifen-${what}+jwe`, kid: jwk.kid };
  const key = importPublic(PublicP256Jwk.parse(jwk));
  return { result: "sealed", sealed: await sealJson(content, key, header) };
}

/** Appends one member to the JSON text of an object. */
function withReceipt(answer: string, receipt: string): string {
  return `${answer.slice(0, -1)},"receipt":${JSON.stringify(receipt)}}`;
}
