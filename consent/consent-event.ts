// The changes of a consent as events, and as the audit log's leaves (DESIGN §6). Pure mapping: who the person is goes
// along only as a subject tag, for the log's binder to turn into a salted commitment.
import type { ConsentState } from "./consent-record.ts";
import type { Notice, QueryAuthorization } from "./consent-claims.ts";
import type { LeafDraft } from "./log/leaf.ts";
import type { ConsentDb } from "./schema.ts";

/** What can happen, and between which states. Nothing else is legal. */
export const TRANSITIONS = {
  approve: { from: ["REQUESTED"], to: "ACTIVE" },
  deny: { from: ["REQUESTED"], to: "DENIED" },
  pause: { from: ["ACTIVE"], to: "PAUSED" },
  resume: { from: ["PAUSED"], to: "ACTIVE" },
  revoke: { from: ["ACTIVE", "PAUSED"], to: "REVOKED" },
  consume: { from: ["ACTIVE"], to: "CONSUMED" },
  expire: { from: ["REQUESTED", "ACTIVE", "PAUSED"], to: "EXPIRED" },
} as const satisfies Record<string, { from: readonly ConsentState[]; to: ConsentState }>;
export type ConsentAction = keyof typeof TRANSITIONS;

export type Actor = "institution" | "person" | "operator" | "authority";

export interface ConsentEvent {
  readonly action: ConsentAction | "request";
  readonly by: Actor;
  readonly from: ConsentState | null;
  readonly to: ConsentState;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly consent_id: string;
  readonly client_id: string;
  readonly audience: string;
  readonly purpose: string;
  readonly terms: QueryAuthorization;
  /** For a request, when it lapses; otherwise when the consent's term ends. Milliseconds since the epoch. */
  readonly expires_at: number;
  readonly notice: Notice;
  /** Base64url SHA-256 of the salted evidence that the authority keeps. */
  readonly evidence_hash: string | null;
  /** With a request and an approval only. Enters the log as a salted commitment, never as it is. */
  readonly personal: { readonly subject_tag: string } | undefined;
}

/** Appends the event's leaf in this very transaction. @throws to undo the change. */
export type RecordEvent = (tx: ConsentDb, event: ConsentEvent) => Promise<void>;

const CHANGE_EVENT = {
  deny: "denied",
  pause: "paused",
  resume: "resumed",
  revoke: "revoked",
  expire: "expired",
  consume: "consumed",
} as const;

/** The leaf for an event. `person` is the salted commitment to `event.personal`, where the log keeps one. */
export function consentLeaf(event: ConsentEvent, person?: string): LeafDraft {
  const parties = {
    type: "consent",
    consent_id: event.consent_id,
    client_id: event.client_id,
  } as const;
  if (event.action !== "request" && event.action !== "approve") {
    return { ...parties, event: CHANGE_EVENT[event.action], reason: `by-${event.by}` };
  }
  const { terms, evidence_hash: evidence } = event;
  return {
    ...parties,
    event: event.action === "request" ? "requested" : "approved",
    purpose: event.purpose,
    products: [...terms.actions],
    max_uses: terms.max_uses,
    ...(terms.frequency && { frequency: terms.frequency }),
    result: terms.result,
    not_before: new Date(event.at).toISOString(),
    expires: new Date(event.expires_at).toISOString(),
    notice: event.notice,
    ...(person !== undefined && { person }),
    ...(evidence !== null && { evidence: Buffer.from(evidence, "base64url").toString("hex") }),
  };
}
