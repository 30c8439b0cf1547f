// One fan-out: ask every province of the roster that is not failing at once, add their ciphertexts blind, have the authority release.
// A province that fails costs one more round without it, since masks cancel only over those who took part; the
// authority's one release per query id keeps two rounds from becoming two answers. DESIGN §2, §3.
import { randomUUID, type KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import { inSpan } from "../core/tracing.ts";
import {
  digestDescriptor,
  type DigestedDescriptor,
  type HeScheme,
  type HeSum,
  type MergeCommitment,
  NodeReceipt,
  openStatement,
  quorum,
  type SignedStatement,
  signStatement,
} from "../crypto/index.ts";
import type { EpochView, FederationView } from "../consent/verifier.ts";
import type { AuthorityClient, EvaluateReply, ReleaseOutcome } from "../proto/index.ts";
import { fanOutQuestions, fanOutSlots, heDurations, meterFanOut, rounds } from "./metrics.ts";
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
}

interface Merge {
  readonly asked: readonly PendingQuery[];
  readonly digested: DigestedDescriptor;
  readonly merged: Buffer;
  /** In the order of the descriptor's provinces. */
  readonly replies: readonly EvaluateReply[];
}

/** When each is over, as a share of the time limit: a first round, a second without those that failed, the release. */
const ENDS = { first: 0.5, second: 0.75, release: 1 };

type LeftMs = (until: keyof typeof ENDS) => number;

/** What is left of a time limit that begins with this call; 0 when it is over. */
function timeLimit(timeoutMs: number): LeftMs {
  const begunMs = performance.now();
  return (until) => Math.max(0, begunMs + timeoutMs * ENDS[until] - performance.now());
}

interface Run extends FanOutParts {
  readonly leftMs: LeftMs;
}

/**
 * Outcomes in the group's order.
 * @throws WjfError `coverage-incomplete`, `federation-unavailable`, or the authority's code.
 */
export async function fanOut(
  group: readonly PendingQuery[],
  parts: FanOutParts,
): Promise<readonly ReleaseOutcome[]> {
  const links = group.flatMap(({ link }) => link ?? []);
  const attributes = { "wjf.questions": group.length };
  // A trace of its own: it carries many questions, and what goes to the provinces names none of them.
  return await inSpan("fan-out", () => meterFanOut("query", () => carry(group, parts)), {
    parent: "none",
    links,
    attributes,
  });
}

async function carry(
  group: readonly PendingQuery[],
  parts: FanOutParts,
): Promise<readonly ReleaseOutcome[]> {
  const outcomes: Outcomes = new Map();
  const run: Run = { ...parts, leftMs: timeLimit(parts.timeoutMs) };
  const epoch = parts.view.current();
  const participants = parts.provinces.participants(epoch);
  const first = await collect(group, participants, epoch, run, "first", outcomes);
  const merge = first.merge ?? (await secondRound(first, epoch, run, outcomes));
  if (merge !== undefined) await release(merge, run, outcomes);
  return group.map((query) => outcomes.get(query) ?? UNTOLD);
}

/** The authority has said nothing of it, and may have released it: under its query id it can be asked again. */
const UNTOLD: ReleaseOutcome = { result: "refusal", refusal: "federation-unavailable" };

/** What is decided so far. */
type Outcomes = Map<PendingQuery, ReleaseOutcome>;

interface Round {
  /** What went out. */
  readonly asked: readonly PendingQuery[];
  readonly answering: readonly ProvinceCode[];
  /** Only when something went out and all provinces answered. */
  readonly merge?: Merge;
}

async function secondRound(
  { asked, answering }: Round,
  epoch: EpochView,
  run: Run,
  outcomes: Outcomes,
): Promise<Merge | undefined> {
  if (asked.length === 0) return undefined;
  if (answering.length < quorum(epoch.roster.provinces.length))
    throw new WjfError("coverage-incomplete");
  const second = await collect(asked, answering, epoch, run, "second", outcomes);
  if (second.merge === undefined && second.asked.length > 0) {
    throw new WjfError("coverage-incomplete");
  }
  return second.merge;
}

async function collect(
  group: readonly PendingQuery[],
  provinces: readonly ProvinceCode[],
  epoch: EpochView,
  run: Run,
  round: "first" | "second",
  outcomes: Outcomes,
): Promise<Round> {
  const leftMs = (): number => run.leftMs(round);
  const admitted = await admit(group, provinces, epoch, run, leftMs, outcomes);
  if (admitted === undefined) return { asked: [], answering: provinces };
  const { asked, digested, admission } = admitted;
  rounds.inc({ kind: "query", round });
  fanOutQuestions.observe(asked.length);
  fanOutSlots.observe(digested.slotsUsed);
  const credentials = asked.map((query) => query.credentials);
  const request = { descriptor: digested.bytes, credentials, admission };
  using sum = run.scheme.sum();
  let mergeMs = 0;
  const ask = async (code: ProvinceCode): Promise<EvaluateReply> =>
    await run.provinces.evaluate(code, epoch, request, leftMs(), (reply) => {
      verifyReply(code, reply, digested, epoch);
      mergeMs += timeToAdd(reply.ciphertext, sum);
    });
  const settled = await inSpan("round", () => Promise.allSettled(provinces.map(ask)), {
    attributes: {
      "wjf.round": round,
      "wjf.questions": asked.length,
      "wjf.slots": digested.slotsUsed,
    },
  });
  for (const [i, result] of settled.entries()) {
    if (result.status === "fulfilled") continue;
    run.log.warn({ province: provinces[i], err: result.reason }, "a province did not answer");
  }
  const replies = settled.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  const answering = provinces.filter((_, i) => settled[i]?.status === "fulfilled");
  if (answering.length < provinces.length) return { asked, answering };
  const merged = await inSpan("merge", async () => Buffer.from(sum.finish()));
  heDurations.observe({ operation: "merge" }, mergeMs / 1000);
  return { asked, answering, merge: { asked, digested, merged, replies } };
}

interface Admitted {
  readonly asked: readonly PendingQuery[];
  readonly digested: DigestedDescriptor;
  /** One signature of the authority's spares every node the verification of every token. */
  readonly admission: SignedStatement;
}

/** Describes the group and has it admitted; what the authority settles at once leaves it. Undefined: all is settled. */
async function admit(
  group: readonly PendingQuery[],
  provinces: readonly ProvinceCode[],
  epoch: EpochView,
  parts: FanOutParts,
  leftMs: () => number,
  outcomes: Outcomes,
): Promise<Admitted | undefined> {
  let asked = group;
  while (asked.length > 0) {
    const digested = describeGroup(asked, provinces, epoch);
    const items = asked.map(({ credentials, sealed }) => ({ credentials, sealed }));
    const reply = await parts.authority.admit({ descriptor: digested.bytes, items }, leftMs());
    if (reply.step === "admission") return { asked, digested, admission: reply.admission };
    for (const { item, outcome } of reply.settled.items) {
      const query = asked[item];
      if (query === undefined)
        throw new WjfError("internal", "the authority settled nothing of ours");
      outcomes.set(query, outcome);
    }
    asked = asked.filter((query) => !outcomes.has(query));
  }
  return undefined;
}

/** `provinces` ascending. */
export function describeGroup(
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
export function verifyReply(
  code: ProvinceCode,
  reply: EvaluateReply,
  { digest }: Pick<DigestedDescriptor, "digest">,
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

/** Adds, and says how many milliseconds that took. */
export function timeToAdd(ciphertext: Buffer, sum: Pick<HeSum, "add">): number {
  const startedMs = performance.now();
  sum.add(ciphertext);
  return performance.now() - startedMs;
}

async function release(
  { asked, digested, merged, replies }: Merge,
  run: Run,
  outcomes: Outcomes,
): Promise<void> {
  const commitment: MergeCommitment = {
    descriptor: digested.digest.toString("hex"),
    merged: sha256Hex(merged),
  };
  const commit = {
    descriptor: digested.bytes,
    merged,
    commitment: signStatement("merge", commitment, run.signingKey),
    receipts: replies.map(({ receipt }) => receipt),
    items: asked.map(({ credentials, sealed }) => ({ credentials, sealed })),
  };
  const reveal = (): readonly Uint8Array[] => replies.map(({ ciphertext }) => ciphertext);
  const released = await run.authority.release(commit, reveal, run.leftMs("release"));
  for (const [i, outcome] of released.entries()) {
    const query = asked[i];
    if (query !== undefined) outcomes.set(query, outcome);
  }
}
