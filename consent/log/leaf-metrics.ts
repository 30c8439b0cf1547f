// What the authority has decided, counted where it becomes durable: every release, refusal, merge audit and consent event is a leaf,
// so the counts agree with the log, which anybody may read.
import { Counter } from "prom-client";
import type { LeafDraft } from "./leaf.ts";

const leaves = new Counter({
  name: "wjf_authority_log_leaves_total",
  help: "Leaves committed to the audit log by this process, by type",
  labelNames: ["type"],
});
const releases = new Counter({
  name: "wjf_authority_releases_total",
  help: "Answers released, by product and whether all provinces are in them",
  labelNames: ["product", "coverage"],
});
const refusals = new Counter({
  name: "wjf_authority_refusals_total",
  help: "Questions refused, by code",
  labelNames: ["code"],
});
const mergeAudits = new Counter({
  name: "wjf_authority_merge_audits_total",
  help: "Merges audited, by result: matched, mismatched, withheld",
  labelNames: ["result"],
});
const consentEvents = new Counter({
  name: "wjf_authority_consent_events_total",
  help: "Changes of consents, by event",
  labelNames: ["event"],
});

export function countLeaves(committed: readonly LeafDraft[]): void {
  for (const [type, ofType] of Map.groupBy(committed, (leaf) => leaf.type)) {
    leaves.inc({ type }, ofType.length);
  }
  for (const leaf of committed) countLeaf(leaf);
}

function countLeaf(leaf: LeafDraft): void {
  switch (leaf.type) {
    case "release": {
      const { answered, of } = leaf.coverage;
      return releases.inc({ product: leaf.product, coverage: answered < of ? "partial" : "full" });
    }
    case "refusal":
      return refusals.inc({ code: leaf.code }, leaf.left_out ?? 1);
    case "merge-audit":
      return mergeAudits.inc({ result: leaf.result });
    case "consent":
      return consentEvents.inc({ event: leaf.event });
    case "gateway":
    case "objection":
    case "epoch":
    case "roster":
    case "erasure":
    case "training":
  }
}
