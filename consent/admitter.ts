// Admits fan-outs: verifies every item's token, proof and live consent, and signs what it found for the nodes. Remembers
// its findings for the release that follows, so that nothing is verified twice; forgetting them costs time, not safety.
import type { KeyObject } from "node:crypto";
import type { Catalogue } from "../catalogue/index.ts";
import type { Clock } from "../core/clock.ts";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import {
  type DigestedDescriptor,
  type FanOutItem,
  parseDescriptor,
  type SignedStatement,
  signStatement,
} from "../crypto/index.ts";
import type { AdmitRequest, ItemCredentials } from "../proto/index.ts";
import type { AtRest } from "./at-rest.ts";
import { readConsent, requireLive } from "./consent-record.ts";
import type { Admission, AdmittedItem } from "./admission.ts";
import type { Epoch, EpochKeeper } from "./epochs.ts";
import { requestRules } from "./federation-view.ts";
import { type AuthorityDb, consentTables } from "./ledger.ts";
import {
  requireSameQuestion,
  type VerifiedRequest,
  verifySignedRequest,
} from "./signed-request.ts";

/** Oldest DPoP proof that still gets an answer: it has waited, been fanned out and merged. */
const MAX_PROOF_AGE_S = 180;
/** Fan-outs whose findings are kept for their release. */
const MAX_REMEMBERED = 256;

/** A verified question, or why it is refused. */
export type Question = VerifiedRequest | ErrorCode;

export interface AdmitterParts {
  readonly epochs: EpochKeeper;
  readonly atRest: AtRest;
  readonly db: AuthorityDb;
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

  /** @throws WjfError `descriptor-invalid`, `epoch-unknown`; an item's own fault is in the admission. */
  async admit(request: AdmitRequest): Promise<SignedStatement> {
    const digested = parseDescriptor(request.descriptor);
    const epoch = this.#parts.epochs.inForce(digested.descriptor.epoch);
    const questions = await this.#verify(digested, request.credentials, epoch);
    const live = await Promise.all(questions.map((question) => this.#requireLive(question)));
    this.#remember(digested.digest, live);
    const admission: Admission = {
      descriptor: digested.digest.toString("hex"),
      items: live.map(admitted),
    };
    return signStatement("admission", admission, this.#parts.admissionKey);
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

  /** A look ahead, so that a dead consent is not fanned out; the release decides in its own transaction. */
  async #requireLive(question: Question): Promise<Question> {
    if (typeof question === "string") return question;
    const { db, atRest, clock } = this.#parts;
    try {
      const consent = await readConsent(consentTables(db), atRest, question.consent.grant_id);
      requireLive(consent, clock.nowMs());
      return question;
    } catch (error) {
      return refusalCode(error);
    }
  }

  #remember(digest: Buffer, questions: readonly Question[]): void {
    this.#remembered.set(digest.toString("base64"), questions);
    if (this.#remembered.size > MAX_REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      this.#remembered.delete(oldest as string);
    }
  }
}

function admitted(question: Question): AdmittedItem {
  if (typeof question === "string") return { refused: question };
  return { sub: question.consent.sub, jti: question.consent.jti };
}

function refusalCode(error: unknown): ErrorCode {
  if (error instanceof WjfError) return error.code;
  throw error;
}
