// One row of a batch on its way into a manifest: read as the institution signed it, its token verified, its key the batch's.
// What a row is refused for here does not depend on any other row, nor on the state of its consent.
import { type Catalogue, type Product, requireProduct } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { ProductRef, QueryId } from "../../core/ids.ts";
import type { BatchProof } from "../batch-proof.ts";
import { parseRow, queryIdOfRow } from "../batch-rows.ts";
import type { Client } from "../clients.ts";
import type { ConsentClaims } from "../consent-claims.ts";
import type { ManifestWatch } from "../manifest.ts";
import type { Question } from "../release/stored-answer.ts";
import type { TokenChecker } from "./token-checker.ts";

export interface CheckedRow {
  readonly row: number;
  readonly question: Question;
  readonly consent: ConsentClaims;
  readonly tokenHash: string;
  /** Which evaluation of which watch the row is, if it is one. */
  readonly watch?: ManifestWatch;
}

export interface RefusedRow {
  readonly row: number;
  readonly refusal: ErrorCode;
  /** Unknown for a watch that does not verify. */
  readonly queryId?: QueryId;
  readonly product?: ProductRef;
  readonly clientId?: string;
  readonly consentId?: string;
}

export interface RowRules {
  readonly proof: BatchProof;
  readonly batchId: string;
  readonly tokens: TokenChecker;
  readonly catalogue: Catalogue;
}

/** @param line counted from 1 in the whole batch; `row` from 0 in the request. */
export function checkRow(
  bytes: Uint8Array,
  row: number,
  line: number,
  rules: RowRules,
): CheckedRow | RefusedRow {
  let known: Omit<RefusedRow, "row" | "refusal"> & { queryId: QueryId } = {
    queryId: queryIdOfRow(rules.batchId, line),
  };
  try {
    const read = parseRow(bytes);
    known = { queryId: read.query_id ?? known.queryId, product: read.product };
    const product = requireProduct(rules.catalogue, read.product);
    requireClaims(product, read.claims);
    const consent = rules.tokens.open(read.token);
    known = { ...known, clientId: consent.client_id, consentId: consent.grant_id };
    requireConsented(consent, read.product, rules.proof);
    const question: Question = {
      queryId: known.queryId,
      product: read.product,
      claimsHash: sha256Hex(read.claims ?? ""),
      clientId: consent.client_id,
      consentId: consent.grant_id,
      tokenIdHash: sha256Hex(consent.jti),
    };
    return { row, question, consent, tokenHash: sha256Hex(read.token) };
  } catch (error) {
    if (!(error instanceof WjfError)) throw error;
    return { row, refusal: error.code, ...known };
  }
}

/** @throws WjfError `watch-only`, `claims-missing`, `claims-unexpected`. */
function requireClaims(product: Product, claims: string | undefined): void {
  if (product.rule.type === "watch") throw new WjfError("watch-only");
  if (product.claims === "required" && claims === undefined) throw new WjfError("claims-missing");
  if (product.claims === "none" && claims !== undefined) throw new WjfError("claims-unexpected");
}

function requireConsented(consent: ConsentClaims, product: ProductRef, proof: BatchProof): void {
  // The batch is signed with one key; a token bound to another is somebody else's.
  if (consent.cnf.jkt !== proof.jkt) throw new WjfError("dpop-key");
  const actions: readonly string[] = consent.authorization_details[0].actions;
  if (!actions.includes(product)) throw new WjfError("product-not-consented");
}

/** @throws WjfError `client-unknown`, `product-not-consented`, `client-sealed-only`. */
export function requireClient(
  client: Client | undefined,
  product: ProductRef,
  sealed: boolean,
): void {
  if (client === undefined || client.disabled_at !== null) throw new WjfError("client-unknown");
  if (!client.products.includes(product)) throw new WjfError("product-not-consented");
  if (client.sealed_only && !sealed) throw new WjfError("client-sealed-only");
}
