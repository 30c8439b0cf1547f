// One fan-out: ask every province of the roster at once, add their ciphertexts blind, have the authority release.
// A province that fails costs one more round without it, since masks cancel only over those who took part; the
// authority's one release per query id keeps two rounds from becoming two answers. DESIGN §2, §3.
import { randomUUID, type KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import {
  digestDescriptor,
  type DigestedDescriptor,
  type HeScheme,
  type MergeCommitment,
  NodeReceipt,
  openStatement,
  signStatement,
} from "../crypto/index.ts";
import type { EpochView, FederationView } from "../consent/verifier.ts";
import type { AuthorityClient, EvaluateReply, ReleaseOutcome } from "../proto/index.ts";
import type { PendingQuery } from "./pending-query.ts";
import type { ProvincePool } from "./province-pool.ts";

export interface FanOutParts {
  readonly scheme: HeScheme;
  readonly view: FederationView;
  readonly provinces: ProvincePool;
  readonly authority: Pick<AuthorityClient, "admit" | "release">;
  readonly signingKey: KeyObject;
  readonly log: Logger;
  /** For everything: both rounds and the release. */
  readonly timeoutMs: number;
  readonly minimumRoster: number;
}

interface Merge {
  readonly digested: DigestedDescriptor;
  readonly merged: Buffer;
  /** In the order of the descriptor's provinces. */
  readonly replies: readonly EvaluateReply[];
}

/** Shares of the time limit: a first round, a second without those that failed, the release. */
const SHARES = { first: 0.5, second: 0.25, release: 0.25 };

/** @throws WjfError `coverage-incomplete`, `federation-unavailable`, or the authority's code. */
export async function fanOut(
  group: readonly PendingQuery[],
  parts: FanOutParts,
): Promise<readonly ReleaseOutcome[]> {
  const epoch = parts.view.current();
  const everyone = epoch.roster.provinces.map(({ code }) => code).toSorted();
  const first = await collect(group, everyone, epoch, parts, SHARES.first);
  const merge = first.merge ?? (await secondRound(group, first.answering, epoch, parts));
  return await release(group, merge, parts);
}

async function secondRound(
  group: readonly PendingQuery[],
  answering: readonly ProvinceCode[],
  epoch: EpochView,
  parts: FanOutParts,
): Promise<Merge> {
  if (answering.length < parts.minimumRoster) throw new WjfError("coverage-incomplete");
  const { merge } = await collect(group, answering, epoch, parts, SHARES.second);
  if (merge === undefined) throw new WjfError("coverage-incomplete");
  return merge;
}

interface Round {
  readonly answering: readonly ProvinceCode[];
  /** Only when all of them answered. */
  readonly merge?: Merge;
}

async function collect(
  group: readonly PendingQuery[],
  provinces: readonly ProvinceCode[],
  epoch: EpochView,
  parts: FanOutParts,
  share: number,
): Promise<Round> {
  const digested = describe(group, provinces, epoch);
  const credentials = group.map((query) => query.credentials);
  const question = { descriptor: digested.bytes, credentials };
  // One signature of the authority's spares every node the verification of every token.
  const { admission } = await parts.authority.admit(question, parts.timeoutMs * share);
  const request = { ...question, admission };
  using sum = parts.scheme.sum();
  const settled = await Promise.allSettled(
    provinces.map(async (code) => {
      const timeoutMs = parts.timeoutMs * share;
      const reply = await parts.provinces.evaluate(code, epoch, request, timeoutMs);
      verifyReply(code, reply, digested, epoch);
      sum.add(reply.ciphertext);
      return reply;
    }),
  );
  for (const [i, result] of settled.entries()) {
    if (result.status === "fulfilled") continue;
    parts.log.warn({ province: provinces[i], err: result.reason }, "a province did not answer");
  }
  const replies = settled.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  const answering = provinces.filter((_, i) => settled[i]?.status === "fulfilled");
  if (answering.length < provinces.length) return { answering };
  return { answering, merge: { digested, merged: Buffer.from(sum.finish()), replies } };
}

/** `provinces` ascending. */
function describe(
  group: readonly PendingQuery[],
  provinces: readonly ProvinceCode[],
  epoch: EpochView,
): DigestedDescriptor {
  let offset = 1;
  const items = group.map(({ item }) => {
    const placed = { ...item, slot_offset: offset };
    offset += item.slot_width;
    return placed;
  });
  return digestDescriptor({
    fan_out_id: randomUUID(),
    epoch: epoch.roster.epoch,
    roster_digest: epoch.rosterDigest.toString("hex"),
    provinces: [...provinces],
    items,
  });
}

/** @throws WjfError `receipt-invalid` unless this province signed this very ciphertext for this very fan-out. */
function verifyReply(
  code: ProvinceCode,
  reply: EvaluateReply,
  { digest }: DigestedDescriptor,
  epoch: EpochView,
): void {
  const key = epoch.receiptKeys.get(code) as KeyObject;
  const receipt = openStatement("receipt", reply.receipt, key, NodeReceipt, "receipt-invalid");
  const about =
    receipt.province === code &&
    receipt.descriptor === digest.toString("hex") &&
    receipt.ciphertext === sha256Hex(reply.ciphertext);
  if (!about) throw new WjfError("receipt-invalid", "it is about something else");
}

async function release(
  group: readonly PendingQuery[],
  { digested, merged, replies }: Merge,
  parts: FanOutParts,
): Promise<readonly ReleaseOutcome[]> {
  const commitment: MergeCommitment = {
    descriptor: digested.digest.toString("hex"),
    merged: sha256Hex(merged),
  };
  const commit = {
    descriptor: digested.bytes,
    merged,
    commitment: signStatement("merge", commitment, parts.signingKey),
    receipts: replies.map(({ receipt }) => receipt),
    items: group.map(({ credentials, sealed }) => ({ credentials, sealed })),
  };
  const reveal = (): readonly Uint8Array[] => replies.map(({ ciphertext }) => ciphertext);
  return await parts.authority.release(commit, reveal, parts.timeoutMs * SHARES.release);
}
