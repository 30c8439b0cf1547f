// One fan-out at one province: verify every item's credentials alone, look the person up, evaluate in the clear, and
// hand the vector to reply.ts. What it does and how long it takes must not depend on who is held here.
import type { KeyObject } from "node:crypto";
import { type Catalogue, requireProduct, slotWidth } from "../catalogue/index.ts";
import { sha256Hex } from "../core/canonical.ts";
import { type Clock, nowSeconds } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode, SubjectTag } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import { describeSpan } from "../core/tracing.ts";
import {
  type DigestedDescriptor,
  type FanOutItem,
  type HeScheme,
  Masks,
  openSubject,
  parseDescriptor,
  type PrivateX25519Jwk,
} from "../crypto/index.ts";
import {
  type Admission,
  type AdmittedItem,
  type EpochView,
  type FederationView,
  openAdmission,
  readClaims,
  requestRules,
  requireSameQuestion,
  verifySignedRequest,
} from "../consent/verifier.ts";
import type { EvaluateReply, EvaluateRequest, ItemCredentials } from "../proto/index.ts";
import type { BaselineStore } from "./baseline-store.ts";
import type { ClaimsOpener } from "./claims-opener.ts";
import { evaluateItem } from "./evaluate.ts";
import type { FanOutGuard } from "./fan-out-guard.ts";
import type { FeatureStore } from "./feature-store.ts";
import { countQuestions } from "./metrics.ts";
import type { ModelGate } from "./models/gate.ts";
import type { OwnKeys } from "./own-keys.ts";
import { type PendingReply, pendingReply } from "./reply-quantum.ts";
import type { ReplyKeyring } from "./reply-keys.ts";
import { type Refusal, sealReply } from "./reply.ts";

/** Oldest DPoP proof a node accepts: it may have waited in the gateway's queue. */
const MAX_PROOF_AGE_S = 120;

export interface NodeSecrets {
  /** K_subject: tags of identifiers. */
  readonly subjectKey: Buffer;
  /** Opens the opaque `sub` of tokens. */
  readonly subjectMasterKey: Buffer;
  /** Opens sealed claims. */
  readonly groupKey: KeyObject;
}

export interface NodeParts {
  readonly province: ProvinceCode;
  readonly secrets: NodeSecrets;
  readonly ownKeys: OwnKeys;
  readonly scheme: HeScheme;
  readonly view: FederationView;
  /** One for all that answers here: a fan-out and a batch must not meet under the same masks either. */
  readonly guard: FanOutGuard;
  readonly store: FeatureStore;
  readonly catalogue: Catalogue;
  /** Which institutions' models run here. */
  readonly models: ModelGate;
  readonly claims: ClaimsOpener;
  readonly baselines: BaselineStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Share of admitted items whose tokens this node verifies itself all the same, 0 to 1. */
  readonly verifySample: number;
  /** Replies leave on multiples of this after arrival, so that time does not tell who is held. 0: at once. */
  readonly replyQuantumMs: number;
  /** Masks of one roster; a plaintext twin has none. */
  readonly createMasks: (epoch: EpochView, maskKey: PrivateX25519Jwk) => Pick<Masks, "apply">;
}

/** The real masks of this node under a roster. */
export function rosterMasks(province: ProvinceCode, modulus: number): NodeParts["createMasks"] {
  return ({ roster, rosterDigest }, maskKey) => {
    const peers = new Map(roster.provinces.map((peer) => [peer.code, peer.mask_key]));
    return new Masks(province, maskKey, peers, rosterDigest, modulus);
  };
}

/** Evaluates fan-outs. One per node process. */
export class FanOutAnswerer {
  readonly #parts: NodeParts;
  readonly #keyring: ReplyKeyring;

  constructor(parts: NodeParts, keyring: ReplyKeyring) {
    this.#parts = parts;
    this.#keyring = keyring;
  }

  /** @throws WjfError `descriptor-invalid` or `epoch-unknown`; an item's own fault is a refusal in the receipt. */
  async answer(request: EvaluateRequest): Promise<EvaluateReply> {
    const pending = pendingReply(this.#parts.replyQuantumMs);
    const digested = parseDescriptor(request.descriptor);
    const epoch = this.#parts.guard.requireMember(digested.descriptor);
    const { items } = digested.descriptor;
    if (request.credentials.length !== items.length) {
      throw new WjfError("descriptor-invalid", "credentials: one for every item");
    }
    this.#parts.guard.requireFresh(digested.digest, epoch);
    const admission = openAdmissionOf(request, digested, epoch, nowSeconds(this.#parts.clock));
    describeSpan({
      "wjf.province": this.#parts.province,
      "wjf.questions": items.length,
      "wjf.slots": digested.slotsUsed,
    });
    const slots = new Uint32Array(digested.slotsUsed);
    const refusals: Refusal[] = [];
    const evaluations = items.map(async (item, index) => {
      const credentials = request.credentials[index] as ItemCredentials;
      try {
        const subject = await this.#subject(item, credentials, epoch, admission?.items[index]);
        const body = credentials.body;
        slots.set(
          await this.#evaluate(item, subject, body, pending, items.length),
          item.slot_offset,
        );
      } catch (error) {
        if (!(error instanceof WjfError)) throw error;
        refusals.push({ item: index, code: error.code });
      }
    });
    await Promise.all(evaluations);
    refusals.sort((a, b) => a.item - b.item);
    const products = items.map(({ product }) => product);
    countQuestions(products, refusals, this.#parts.catalogue);
    const reply = sealReply(slots, digested, refusals, this.#keyring.of(epoch));
    await pending.due();
    return reply;
  }

  /**
   * Whom an item is about. An admitted item's token was verified by the authority; a random sample of those is verified
   * here all the same, so that a false admission does not stay unseen. What is not admitted is always verified here.
   */
  async #subject(
    item: FanOutItem,
    credentials: ItemCredentials,
    epoch: EpochView,
    admitted: AdmittedItem | undefined,
  ): Promise<SubjectTag> {
    const { clock, view, catalogue, secrets, random, verifySample } = this.#parts;
    if (admitted !== undefined && random.unit() >= verifySample) {
      return openSubject(secrets.subjectMasterKey, admitted.sub, admitted.jti);
    }
    const rules = requestRules(epoch, catalogue, MAX_PROOF_AGE_S);
    const verified = await verifySignedRequest(credentials, rules, clock);
    requireSameQuestion(item, verified);
    view.requireActive(verified.consent.status);
    const { sub, jti } = verified.consent;
    if (admitted !== undefined && (admitted.sub !== sub || admitted.jti !== jti)) {
      throw new WjfError("receipt-invalid", "the admission is of another token");
    }
    return openSubject(secrets.subjectMasterKey, sub, jti);
  }

  async #evaluate(
    item: FanOutItem,
    subject: SubjectTag,
    body: Buffer,
    pending: PendingReply,
    questions: number,
  ): Promise<Uint32Array> {
    const { catalogue, secrets, store, models, claims: opener } = this.#parts;
    const product = requireProduct(catalogue, item.product);
    if (slotWidth(product) !== item.slot_width) {
      throw new WjfError("descriptor-invalid", "slot_width");
    }
    // Before the lookup: a refusal may not depend on who is held.
    const sealed = requireClaims(item, body);
    const mode = models.admit(product);
    const person = store.lookup(subject);
    // Claims are opened only for people held here, and it must not show that others' are not.
    const claims =
      person === undefined && sealed !== undefined
        ? await opener.spare(pending, questions)
        : await opener.open(sealed, questions);
    const slots = evaluateItem(product, person, claims, { subjectKey: secrets.subjectKey });
    models.observe(product, person, catalogue);
    if (mode === "shadow") throw new WjfError("model-in-shadow");
    return slots;
  }
}

/**
 * Nothing when there is none, or its time is over: then the node verifies every item itself.
 * @throws WjfError `receipt-invalid` when there is an admission, and it is not the authority's for this fan-out.
 */
function openAdmissionOf(
  { admission: signed }: EvaluateRequest,
  { descriptor, digest }: DigestedDescriptor,
  epoch: EpochView,
  now: number,
): Admission | undefined {
  if (signed === undefined || signed === null) return undefined;
  const admission = openAdmission(signed, epoch.admissionKey);
  const about =
    admission.descriptor === digest.toString("hex") &&
    admission.items.length === descriptor.items.length;
  if (!about) throw new WjfError("receipt-invalid", "the admission is of another fan-out");
  return now < admission.expires_at ? admission : undefined;
}

/** @throws WjfError `descriptor-invalid` when the body's claims are not those that the descriptor names. */
function requireClaims(item: FanOutItem, body: Buffer): string | undefined {
  const sealed = readClaims(body);
  if (sha256Hex(sealed ?? "") !== item.claims_hash) {
    throw new WjfError("descriptor-invalid", "claims_hash");
  }
  return sealed;
}
