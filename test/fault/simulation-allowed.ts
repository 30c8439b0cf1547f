// What the faults of a run excuse: which refusals a federation may give meanwhile, and whether what it says may be late or lost. Every
// refusal that may be repeated is one of docs/ERRORS.md.
import type { Allowed } from "./simulation-check.ts";
import type { Fault, Plan } from "./simulation-plan.ts";

/** A fan-out waits for those before it, and may take its own time limit; the rest is a busy machine's. */
const SLACK_MS = 3000;

/** Provinces that do not answer, or so late that the authority has no time left, or that others wait too long. */
const NODES = ["coverage-incomplete", "deadline-exceeded", "overloaded"];
/** An authority that does not answer, or so late that the provinces have no time left. */
const AUTHORITY = [...NODES, "federation-unavailable"];
/** A party that has just started knows nothing, and its peers do not know that. */
const STARTED = [...AUTHORITY, "epoch-unknown"];

const WRONG_CLOCK = ["dpop-expired", "token-not-yet-valid", "token-expired"];

export function allowedIn({ faults, questions }: Plan, timeoutMs: number): Allowed {
  const refusals = new Set(faults.flatMap(({ fault }) => refusalsOf(fault)));
  const finalRefusals = new Set<string>();
  if (faults.some(({ kind }) => kind === "clock off, beyond tolerance")) {
    for (const code of WRONG_CLOCK) finalRefusals.add(code);
  }
  if (questions.some(({ manner }) => manner === "sent twice")) finalRefusals.add("dpop-replayed");
  const atInstitution = faults.some(({ fault }) => touchesInstitution(fault));
  const withinMs = atInstitution ? undefined : 2 * timeoutMs + SLACK_MS;
  // A first round has half of the time limit.
  const slow = { afterMs: timeoutMs / 2, refusals: new Set(NODES) };
  return { refusals, finalRefusals, withinMs, slow };
}

function refusalsOf(fault: Fault): readonly string[] {
  switch (fault.type) {
    case "link":
      if (fault.link === "institution") return [];
      return typeof fault.link === "number" ? NODES : STARTED;
    case "killed":
    case "restarted":
    case "hung":
      return typeof fault.party === "number" ? NODES : STARTED;
    case "drained":
      return NODES;
    case "clock":
      if (fault.party === "institution") return [];
      return typeof fault.party === "number" ? NODES : STARTED;
    case "disk full":
      return AUTHORITY;
  }
}

function touchesInstitution(fault: Fault): boolean {
  if (fault.type === "link") return fault.link === "institution";
  return "party" in fault && fault.party === "gateway" && fault.type !== "clock";
}
