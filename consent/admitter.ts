// Admits fan-outs: verifies every item's token, proof and live consent, and signs what it found for the nodes. Remembers
// its findings for the release that follows, so that nothing is verified twice; forgetting them costs time, not safety.
import type { KeyObject } from "node:crypto";
import type { Catalogue } from "../catalogue/index.ts";
import { type Clock, nowSeconds } from "../core/clock.ts";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import {
  type DigestedDescriptor,
  type FanOutItem,
  parseDescriptor,
  type SignedStatement,
  signStatement,
} from "../crypto/index.ts";
import type { AdmitRequest, ItemCredentials, ReleaseOutcome } from "../proto/index.ts";
import { type Admission, ADMISSION_TTL_S } from "./admission.ts";
import type { Epoch, EpochKeeper } from "./epochs.ts";
import { requestRules } from "./federation-view.ts";
import { epochOf } from "./release/check-merge.ts";
import { requireNotSuspended } from "./release/suspension.ts";
import { type Asked, settle, type SettleParts } from "./release/settle.ts";
import {
  requireSameQuestion,
  type VerifiedRequest,
  verifySignedRequest,
} from "./signed-request.ts";

/** Oldest DPoP proof that still gets an answer: it has waited, been fanned out and merged. */
const MAX_PROOF_AGE_S = 180;
/** Fan-outs whose findings are kept for their release. */
const MAX_REMEMBERED = 256;

/** One side of AdmitReply. */
export type AdmitAnswer =
  | { readonly admission: SignedStatement }
  | { readonly settled: { readonly items: readonly { item: number; outcome: ReleaseOutcome }[] } };

/** A verified question, or why it is refused. */
export type Question = VerifiedRequest | ErrorCode;

export interface AdmitterParts extends SettleParts {
  readonly epochs: EpochKeeper;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly admissionKey: KeyObject;
}

export class Admitter {
  readonly #parts: AdmitterParts;
  readonly #remembered = new Map<string, readonly Question[]>();

  constructor(parts: AdmitterParts) {
    this.#parts = parts;
  }

  /**
   * Admits a fan-out whole, or says what of it is settled already; the gateway describes the rest anew.
   * @throws WjfError `descriptor-invalid`, `epoch-unknown`, `gateway-suspended`; an item's own fault settles it.
   */
  async admit({ descriptor, items }: AdmitRequest): Promise<AdmitAnswer> {
    const digested = parseDescriptor(descriptor);
    const epoch = epochOf(digested.descriptor, this.#parts.epochs);
    await requireNotSuspended(this.#parts.db, epoch);
    const credentials = items.map((item) => item.credentials);
    const questions = await this.#verify(digested, credentials, epoch);
    const asked = digested.descriptor.items.map((item, i): Asked => ({
      question: questions[i] ?? "internal",
      sealed: items[i]?.sealed ?? false,
      queryId: item.query_id,
      product: item.product,
    }));
    const settled = await settle(asked, this.#parts.clock.nowMs(), this.#parts);
    if (settled.size > 0) return { settled: { items: [...settled].map(wireOutcome) } };
    this.#parts.epochs.countFanOuts(epoch, 1);
    this.#remember(digested.digest, questions);
    const admission: Admission = {
      descriptor: digested.digest.toString("hex"),
      items: questions.flatMap((question) =>
        typeof question === "string"
          ? []
          : [{ sub: question.consent.sub, jti: question.consent.jti }],
      ),
      expires_at: nowSeconds(this.#parts.clock) + ADMISSION_TTL_S,
    };
    return { admission: signStatement("admission", admission, this.#parts.admissionKey) };
  }

  /** The questions of a fan-out: as found when it was admitted, or verified now. */
  async questions(
    digested: DigestedDescriptor,
    credentials: readonly ItemCredentials[],
    epoch: Epoch,
  ): Promise<readonly Question[]> {
    const key = digested.digest.toString("base64");
    const remembered = this.#remembered.get(key);
    this.#remembered.delete(key);
    return remembered ?? (await this.#verify(digested, credentials, epoch));
  }

  async #verify(
    { descriptor }: DigestedDescriptor,
    credentials: readonly ItemCredentials[],
    epoch: Epoch,
  ): Promise<Question[]> {
    if (credentials.length !== descriptor.items.length) {
      throw new WjfError("descriptor-invalid", "credentials: one for every item");
    }
    const { catalogue, clock } = this.#parts;
    const rules = requestRules(epoch, catalogue, MAX_PROOF_AGE_S);
    return await Promise.all(
      credentials.map(async (signed, i) => {
        try {
          const verified = await verifySignedRequest(signed, rules, clock);
          requireSameQuestion(descriptor.items[i] as FanOutItem, verified);
          return verified;
        } catch (error) {
          return refusalCode(error);
        }
      }),
    );
  }

  #remember(digest: Buffer, questions: readonly Question[]): void {
    this.#remembered.set(digest.toString("base64"), questions);
    if (this.#remembered.size > MAX_REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      this.#remembered.delete(oldest as string);
    }
  }
}

function wireOutcome([item, outcome]: [number, ReleaseOutcome]) {
  return { item, outcome };
}

function refusalCode(error: unknown): ErrorCode {
  if (error instanceof WjfError) return error.code;
  throw error;
}
