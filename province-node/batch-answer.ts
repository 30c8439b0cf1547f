// The rows of a batch's manifest at one province: verify the authority's one signature for all of them, look the people up,
// evaluate in the clear, and hand the vectors to reply.ts. What it does must not depend on who is held here; that is as in
// answer.ts, and so is the reply quantum. What this node can still prove alone: docs/decisions/052-batches.md.
import { type Product, requireProduct } from "../catalogue/index.ts";
import { nowSeconds } from "../core/clock.ts";
import { sha256Hex } from "../core/canonical.ts";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import type { ProductRef, SubjectTag } from "../core/ids.ts";
import { describeSpan } from "../core/tracing.ts";
import {
  type BatchDescriptor,
  type BatchManifest,
  claimsDigest,
  CLOCK_SKEW_S,
  type EpochView,
  layOut,
  openManifest,
  openSubjects,
  parseBatchDescriptor,
  productsOf,
} from "../consent/verifier.ts";
import type { EvaluateBatchReply, EvaluateBatchRequest } from "../proto/index.ts";
import type { NodeParts } from "./answer.ts";
import { evaluateItem } from "./evaluate.ts";
import { countQuestions } from "./metrics.ts";
import { type PendingReply, pendingReply } from "./reply-quantum.ts";
import type { ReplyKeyring } from "./reply-keys.ts";
import { type Refusal, sealReply } from "./reply.ts";

interface Row {
  readonly product: ProductRef;
  readonly subject: SubjectTag;
  readonly claims: string | undefined;
}

type Mode = { readonly product: Product; readonly refusal?: ErrorCode };

export class BatchAnswerer {
  readonly #parts: NodeParts;
  readonly #keyring: ReplyKeyring;

  constructor(parts: NodeParts, keyring: ReplyKeyring) {
    this.#parts = parts;
    this.#keyring = keyring;
  }

  /** @throws WjfError `descriptor-invalid`, `epoch-unknown`, `receipt-invalid`, `product-unknown`. */
  async answer(request: EvaluateBatchRequest): Promise<EvaluateBatchReply> {
    const pending = pendingReply(this.#parts.replyQuantumMs);
    const digested = parseBatchDescriptor(request.descriptor);
    const epoch = this.#parts.guard.requireMember(digested.descriptor);
    this.#parts.guard.requireFresh(digested.digest, epoch);
    const manifest = this.#openManifest(request, digested.descriptor, epoch);
    const rows = this.#rows(request, manifest);
    const products = rows.map(({ product }) => product);
    const layout = layOut(products, this.#parts.catalogue);
    if (layout.slotsUsed !== manifest.slots) throw new WjfError("descriptor-invalid", "slots");
    describeSpan({
      "wjf.province": this.#parts.province,
      "wjf.questions": rows.length,
      "wjf.slots": layout.slotsUsed,
    });
    const slots = new Uint32Array(layout.slotsUsed);
    const refusals = await this.#evaluate(rows, slots, layout.offsets, pending);
    countQuestions(products, refusals, this.#parts.catalogue);
    const reply = sealReply(slots, digested, refusals, this.#keyring.of(epoch));
    await pending.due();
    return reply;
  }

  #openManifest(
    { manifest: signed, subjects }: EvaluateBatchRequest,
    descriptor: BatchDescriptor,
    epoch: EpochView,
  ): BatchManifest {
    if (sha256Hex(signed.statement) !== descriptor.manifest) {
      throw new WjfError("descriptor-invalid", "manifest: another one");
    }
    const manifest = openManifest(signed, epoch.admissionKey);
    if (manifest.roster_digest !== descriptor.roster_digest) {
      throw new WjfError("epoch-unknown", "manifest: of another roster");
    }
    const now = nowSeconds(this.#parts.clock);
    if (manifest.expires_at + CLOCK_SKEW_S <= now) {
      throw new WjfError("receipt-invalid", "manifest: it has expired");
    }
    if (sha256Hex(subjects) !== manifest.subjects_sha256) {
      throw new WjfError("receipt-invalid", "subjects: not the manifest's");
    }
    return manifest;
  }

  #rows({ subjects, claims }: EvaluateBatchRequest, manifest: BatchManifest): Row[] {
    const { subjectMasterKey } = this.#parts.secrets;
    const tags = openSubjects(subjectMasterKey, manifest.manifest_id, subjects);
    const products = productsOf(manifest);
    const digest = claimsDigest(claims.map((sealed) => sha256Hex(sealed)));
    const complete =
      tags.length === products.length &&
      digest === manifest.claims_sha256 &&
      (digest === null || claims.length === products.length);
    if (!complete) throw new WjfError("receipt-invalid", "rows: not the manifest's");
    return products.map((product, i) => ({
      product,
      subject: tags[i] as SubjectTag,
      claims: claims[i] === "" ? undefined : claims[i],
    }));
  }

  /** Fills the slots; what is refused depends on the product alone. */
  async #evaluate(
    rows: readonly Row[],
    slots: Uint32Array,
    offsets: Uint32Array,
    pending: PendingReply,
  ): Promise<Refusal[]> {
    const { store, catalogue } = this.#parts;
    const modes = new Map<ProductRef, Mode>();
    const began = this.#parts.baselines.begin(catalogue);
    const refusals: Refusal[] = [];
    for (const [i, row] of rows.entries()) {
      const mode = modes.get(row.product) ?? this.#mode(row.product);
      modes.set(row.product, mode);
      const { product, refusal } = mode;
      if (refusal !== undefined) refusals.push({ item: i, code: refusal });
      if (refusal !== undefined && refusal !== "model-in-shadow") continue;
      const person = store.lookup(row.subject);
      if (person === undefined) {
        if (row.claims !== undefined) await this.#parts.claims.spare(pending, rows.length);
        continue;
      }
      const claims = row.claims && (await this.#parts.claims.open(row.claims, rows.length));
      const { subjectKey } = this.#parts.secrets;
      const sealed = row.claims ?? "";
      const values = evaluateItem(product, person, claims, {
        subjectKey,
        baseline: (numbers) => began.of(row.subject, sealed, numbers),
      });
      this.#parts.models.observe(product, person, catalogue);
      if (refusal === undefined) slots.set(values, offsets[i]);
    }
    // Kept before the reply leaves: what was compared with once is what will be compared with.
    began.commit();
    return refusals;
  }

  #mode(ref: ProductRef): Mode {
    const product = requireProduct(this.#parts.catalogue, ref);
    try {
      const mode = this.#parts.models.admit(product);
      return mode === "shadow" ? { product, refusal: "model-in-shadow" } : { product };
    } catch (error) {
      if (!(error instanceof WjfError)) throw error;
      return { product, refusal: error.code };
    }
  }
}
