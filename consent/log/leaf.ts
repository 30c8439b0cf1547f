// What may stand in the audit log: one canonical JSON object (RFC 8785) per leaf, of a closed set of types. A regulator
// reads these, so they name who asked, for what, under which consent, and never an answer's value, a claim, a subject or
// anything else about a person; personal data enters only as a salted commitment (consent/log/commitment.ts).
// Fields are only ever added, as optional ones: a leaf that was valid stays valid.
import { isUtf8 } from "node:buffer";
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { ProductRef, ProvinceCode, QueryId, Sha256Hex } from "../../core/ids.ts";
import { parseJsonWith, parseWith } from "../../core/parse.ts";
import { WjfError } from "../../core/errors.ts";
import { Notice, Period, PurposeScope, ResultForm } from "../consent-claims.ts";
import { ENTRY_BYTES_MAX } from "./tile.ts";

/** RFC 3339 in UTC, to the millisecond, as `Date.prototype.toISOString` writes it: it sorts as text. */
const Time = z.iso.datetime({ precision: 3 });
/** An identifier that says nothing about a person. */
const Id = z.string().min(1).max(128);
/** SHA-256(salt ‖ canonical payload): opens only with what the authority keeps outside the log. */
const Commitment = Sha256Hex;
const ReasonCode = z.string().regex(/^[a-z][a-z0-9-]{1,63}$/, "a code in lower case");

const consentParties = { type: z.literal("consent"), time: Time, consent_id: Id, client_id: Id };

/** What the person is asked for, and then what was granted: an approval may narrow a request, never widen it. */
const consentTerms = {
  purpose: PurposeScope,
  products: z.array(ProductRef).min(1).max(64),
  max_uses: z.int().min(1),
  /** With this, at most `value` releases in any one `unit`. */
  frequency: Period.optional(),
  result: ResultForm.optional(),
  not_before: Time,
  expires: Time,
  notice: Notice.optional(),
  /** Commits to who the person is. */
  person: Commitment.optional(),
  /** Commits to how the person agreed. */
  evidence: Commitment.optional(),
};

const ConsentTermsLeaf = z.strictObject({
  ...consentParties,
  event: z.enum(["requested", "approved"]),
  ...consentTerms,
});
export type ConsentTermsLeaf = z.infer<typeof ConsentTermsLeaf>;

const ConsentChangeLeaf = z.strictObject({
  ...consentParties,
  event: z.enum(["denied", "paused", "resumed", "revoked", "expired", "consumed"]),
  reason: ReasonCode.optional(),
});

const ReleaseLeaf = z.strictObject({
  type: z.literal("release"),
  time: Time,
  query_id: QueryId,
  consent_id: Id,
  /** The token's id, hashed: it links a disputed token to its releases, and nothing links back. */
  token_id_sha256: Sha256Hex,
  client_id: Id,
  purpose: PurposeScope,
  product: ProductRef,
  model: z.strictObject({ id: Id, version: Id }).optional(),
  /** The model package that this version is, where it is an institution's own. */
  model_package_sha256: Sha256Hex.optional(),
  /** The form of the answer; what it said is not here. */
  answer_kind: z.enum(["yes_no", "score", "tags", "statistics", "alerts"]),
  coverage: z.strictObject({ answered: z.int().min(0), of: z.int().min(1) }),
  descriptor_sha256: Sha256Hex,
  epoch: z.int().min(0),
});
export type ReleaseLeaf = z.infer<typeof ReleaseLeaf>;

const RefusalLeaf = z.strictObject({
  type: z.literal("refusal"),
  time: Time,
  code: ReasonCode,
  client_id: Id.optional(),
  query_id: QueryId.optional(),
  consent_id: Id.optional(),
  product: ProductRef.optional(),
  /** So many more of this institution's were refused with this code since the last such count, and have no leaf of their own. */
  left_out: z.int().min(1).optional(),
});

const ObjectionLeaf = z.strictObject({
  type: z.literal("objection"),
  time: Time,
  objection_id: Id,
  event: z.enum(["filed", "upheld", "rejected", "recorded", "withdrawn"]),
  consent_id: Id.optional(),
  client_id: Id.optional(),
  query_id: QueryId.optional(),
  statement: Commitment.optional(),
});

const EpochLeaf = z.strictObject({
  type: z.literal("epoch"),
  time: Time,
  event: z.enum(["opened", "retired"]),
  epoch: z.int().min(0),
  public_key_sha256: Sha256Hex.optional(),
  roster_sha256: Sha256Hex.optional(),
  reason: ReasonCode.optional(),
});

const MergeAuditLeaf = z.strictObject({
  type: z.literal("merge-audit"),
  time: Time,
  epoch: z.int().min(0),
  descriptor_sha256: Sha256Hex,
  merged_sha256: Sha256Hex.optional(),
  result: z.enum(["matched", "mismatched", "withheld"]),
});

const GatewayLeaf = z.strictObject({
  type: z.literal("gateway"),
  time: Time,
  event: z.enum(["suspended", "reinstated"]),
  /** Thumbprint (RFC 7638) of its signing key. */
  gateway: Id,
  /** The fan-out whose signed merge was wrong. */
  descriptor_sha256: Sha256Hex,
});

const RosterLeaf = z.strictObject({
  type: z.literal("roster"),
  time: Time,
  epoch: z.int().min(0),
  roster_sha256: Sha256Hex,
  provinces: z.array(ProvinceCode).min(1).max(64),
});

const ErasureLeaf = z.strictObject({
  type: z.literal("erasure"),
  time: Time,
  commitments: z.array(Commitment).min(1).max(256),
  reason: z.enum(["person-asked", "retention", "order"]),
});

const trainingParties = { type: z.literal("training"), time: Time, job_id: Id, client_id: Id };
const TrainingStepNumber = z.int().min(1).max(100);
const TrainingKind = z.enum([
  "admit",
  "standardisation",
  "bins",
  "label-totals",
  "newton",
  "evaluation",
  "drift",
]);

const TrainingAdmittedLeaf = z.strictObject({
  ...trainingParties,
  event: z.literal("admitted"),
  purpose: PurposeScope,
  /** The ground in law, as the institution states it. */
  lawful_basis: z.strictObject({ basis: PurposeScope, reference: z.string().min(1).max(256) }),
  features: z.array(z.string().max(128)).min(1).max(128),
  provinces: z.array(ProvinceCode).min(2).max(64),
  /** Whose labels are sent, at most. */
  people: z.int().min(0),
  max_rounds: z.int().min(1),
  /** That its score may be evaluated by region. */
  by_region: z.literal(true).optional(),
  /** People without labels: how a score is spread over them is all that is told. */
  drift: z.literal(true).optional(),
  expires: Time,
  /** Of the authority's signed admission: what the provinces' operators saw. */
  statement_sha256: Sha256Hex,
});
export type TrainingAdmittedLeaf = z.infer<typeof TrainingAdmittedLeaf>;

const TrainingReleasedLeaf = z.strictObject({
  ...trainingParties,
  event: z.literal("released"),
  step: TrainingStepNumber,
  kind: TrainingKind,
  /** The rounds of merged sums that went into it. */
  rounds: z.strictObject({ first: z.int().min(1), last: z.int().min(1) }),
  ask_sha256: Sha256Hex,
});

const TrainingRefusedLeaf = z.strictObject({
  ...trainingParties,
  event: z.literal("refused"),
  step: TrainingStepNumber,
  kind: TrainingKind,
  code: ReasonCode,
});

const TrainingEndedLeaf = z.strictObject({ ...trainingParties, event: z.literal("ended") });

export const Leaf = z.discriminatedUnion("type", [
  z.discriminatedUnion("event", [ConsentTermsLeaf, ConsentChangeLeaf]),
  ReleaseLeaf,
  RefusalLeaf,
  ObjectionLeaf,
  EpochLeaf,
  MergeAuditLeaf,
  GatewayLeaf,
  RosterLeaf,
  ErasureLeaf,
  z.discriminatedUnion("event", [
    TrainingAdmittedLeaf,
    TrainingReleasedLeaf,
    TrainingRefusedLeaf,
    TrainingEndedLeaf,
  ]),
]);
export type Leaf = z.infer<typeof Leaf>;
export type ConsentLeaf = Extract<Leaf, { type: "consent" }>;
export type TrainingLeaf = Extract<Leaf, { type: "training" }>;

type WithoutTime<T> = T extends unknown ? Omit<T, "time"> : never;
/** A leaf before the log has given it its time. Brands are not asked for: the log parses every draft. */
export type LeafDraft = WithoutTime<z.input<typeof Leaf>>;

/** The bytes that are hashed. @throws WjfError `internal`: a draft that does not fit is a fault of ours. */
export function encodeLeaf(draft: LeafDraft, time: string): string {
  const text = canonicalJson(parseWith(Leaf, { ...draft, time }, "internal", "audit leaf"));
  if (Buffer.byteLength(text) > ENTRY_BYTES_MAX)
    throw new WjfError("internal", "audit leaf: too long");
  return text;
}

/** @throws WjfError `log-invalid` when the bytes are not a leaf, or not its one canonical form. */
export function decodeLeaf(bytes: Uint8Array): Leaf {
  if (!isUtf8(bytes)) throw new WjfError("log-invalid", "leaf: not UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  const leaf = parseJsonWith(Leaf, text, "log-invalid", "leaf");
  if (canonicalJson(leaf) !== text)
    throw new WjfError("log-invalid", "leaf: not in canonical form");
  return leaf;
}
