// Questions under a consent that the gateway knows to be stopped: no province is asked. The authority refuses them by its own
// live state and has each refusal in the log before it is told. docs/decisions/054-refusals-in-the-log.md.
import { WjfError } from "../core/errors.ts";
import type { FederationView, VerifiedRequest } from "../consent/verifier.ts";
import type { AdmitReply, ReleaseOutcome } from "../proto/index.ts";
import { type CoalescerLimits, DEFAULT_LIMITS } from "./coalescer.ts";
import { describeGroup, type FanOutParts } from "./fan-out.ts";
import type { PendingQuery } from "./pending-query.ts";

/** One small group at a time, apart from the questions that can be answered: who asks on and on fills no queue, and the log slowly. */
export const WITHDRAWN_LIMITS: CoalescerLimits = {
  ...DEFAULT_LIMITS,
  inFlight: 1,
  waiting: 64,
  groupItems: 16,
};

/** Why a verified question may not be asked, as far as the gateway knows. @throws WjfError `federation-unavailable`. */
export function withdrawalOf(
  view: FederationView,
  { consent }: VerifiedRequest,
): PendingQuery["withdrawn"] {
  try {
    view.requireNotWithdrawn(consent.status);
    return undefined;
  } catch (error) {
    if (error instanceof WjfError && error.code.startsWith("consent-")) return error.code;
    throw error;
  }
}

/** Refusals in the group's order. @throws WjfError the authority's code, or `federation-unavailable`: they can be asked again. */
export async function refuseWithdrawn(
  group: readonly PendingQuery[],
  { view, provinces, authority, timeoutMs }: FanOutParts,
): Promise<readonly ReleaseOutcome[]> {
  const epoch = view.current();
  const digested = describeGroup(group, provinces.participants(epoch), epoch);
  const items = group.map(({ credentials, sealed }) => ({ credentials, sealed }));
  const reply = await authority.admit({ descriptor: digested.bytes, items }, timeoutMs);
  const settled = settledItems(reply);
  return group.map(({ withdrawn }, i): ReleaseOutcome => {
    const outcome = settled.get(i);
    // Whatever the authority says of it, under a consent that is known here as stopped nothing is told.
    if (outcome?.result === "refusal") return outcome;
    return { result: "refusal", refusal: withdrawn ?? "internal" };
  });
}

function settledItems(reply: AdmitReply): ReadonlyMap<number, ReleaseOutcome> {
  if (reply.step === "admission") return new Map();
  return new Map(reply.settled.items.map(({ item, outcome }) => [item, outcome]));
}
