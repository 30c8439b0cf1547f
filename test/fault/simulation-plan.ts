// What one run of the simulation does: which faults strike where and when, and what is asked meanwhile. All of it follows from the
// seed and the run's number; what it then comes to does not, since processes and the network keep their own time.
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import type { ByteFault, FlowFault, LinkFault, Way } from "./link.ts";

/** `authority`: from the gateway to it. `follow`: from every node to it. A number: from the gateway to that node. */
export type LinkName = "institution" | "authority" | "follow" | number;
/** A number: that node. */
export type PartyName = "gateway" | "authority" | number;

export type Fault =
  | {
      readonly type: "link";
      readonly link: LinkName;
      readonly fault: LinkFault | "reset";
      /** What is connected is reset as it begins, so that it meets a handshake, too. */
      readonly resetsFirst: boolean;
      /** Connections that it has silenced are not even reset when it is over. */
      readonly leavesSilence: boolean;
    }
  | { readonly type: "killed" | "restarted" | "hung"; readonly party: PartyName }
  | { readonly type: "drained"; readonly node: number }
  | { readonly type: "clock"; readonly party: PartyName | "institution"; readonly skewMs: number }
  | { readonly type: "disk full" };

export interface PlannedFault {
  /** One of FAULT_KINDS. */
  readonly kind: string;
  readonly fault: Fault;
  /** After the questions begin; 0: before. */
  readonly atMs: number;
  readonly forMs: number;
}

/** How the institution asks. */
export type Manner = "once" | "repeated at once" | "sent twice" | "goes away";

export interface PlannedQuestion {
  /** Both in [0, 1): whom of the people, which of the questions about them. */
  readonly person: number;
  readonly question: number;
  readonly manner: Manner;
  readonly atMs: number;
  /** When it goes away. */
  readonly leavesAfterMs: number;
}

export interface Plan {
  readonly run: number;
  readonly faults: readonly PlannedFault[];
  readonly questions: readonly PlannedQuestion[];
}

/** Clock differences up to this are forgiven (consent/signed-request.ts), less what a run takes. */
const WITHIN_MS = 3500;
/** Beyond what a proof (60 s) and a status list (60 s) are good for. */
const BEYOND_MS = [90_000, 600_000] as const;
const LONGEST_MS = 2000;

type Make = (random: Keystream, nodes: number) => Fault;

const bytes =
  (kind: ByteFault["kind"]): Make =>
  (random, nodes) => {
    const closes = kind === "cut" || kind === "torn";
    const afterBytes = random.pick([0, random.whole(0, 3000), random.whole(0, 40_000)]);
    const way = random.pick<Way>(["there", "back"]);
    return link(linkOf(random, nodes, closes), { kind, way, afterBytes }, random.chance(0.5));
  };

const flow =
  (kind: FlowFault["kind"], ms: readonly [number, number], way?: "both"): Make =>
  (random, nodes) => {
    const fault: FlowFault = {
      kind,
      way: way ?? random.pick<Way>(["there", "back"]),
      ms: random.whole(...ms),
    };
    return link(linkOf(random, nodes, true), fault, random.chance(0.3));
  };

const connecting =
  (fault: "refused" | "never answered" | "half-open" | "reset"): Make =>
  (random, nodes) => ({
    ...link(linkOf(random, nodes, true), fault, fault === "refused" || fault === "never answered"),
    leavesSilence: random.chance(0.05),
  });

function link(name: LinkName, fault: LinkFault | "reset", resetsFirst: boolean) {
  return { type: "link" as const, link: name, fault, resetsFirst, leavesSilence: false };
}

/**
 * Bytes between institution and gateway are never changed: a TLS terminator stands between them, and what it cannot verify it closes.
 */
function linkOf(random: Keystream, nodes: number, institution: boolean): LinkName {
  if (institution && random.chance(0.15)) return "institution";
  if (random.chance(0.35)) return random.pick<LinkName>(["authority", "authority", "follow"]);
  return random.whole(0, nodes - 1);
}

function partyOf(random: Keystream, nodes: number): PartyName {
  return random.pick<PartyName>([random.whole(0, nodes - 1), "gateway", "authority"]);
}

const clock =
  (least: number, most: number): Make =>
  (random, nodes) => {
    const party = random.chance(0.3) ? "institution" : partyOf(random, nodes);
    const skewMs = random.whole(least, most) * (random.chance(0.5) ? 1 : -1);
    return { type: "clock", party, skewMs };
  };

/** By name, with how often one is chosen. */
export const FAULT_KINDS: Readonly<Record<string, readonly [weight: number, make: Make]>> = {
  "bytes delayed": [4, flow("delayed", [20, 400])],
  "bytes dripping": [3, flow("dripping", [5, 40])],
  "partition, both ways": [4, flow("held", [0, 0], "both")],
  "partition, one way": [4, flow("held", [0, 0])],
  "bytes lost": [4, bytes("lost")],
  "bytes repeated": [4, bytes("repeated")],
  "bytes reordered": [4, bytes("swapped")],
  "bytes corrupted": [4, bytes("flipped")],
  "message truncated": [4, bytes("cut")],
  "reset within a message": [4, bytes("torn")],
  "connections reset": [4, connecting("reset")],
  "connections refused": [4, connecting("refused")],
  "connections taken, never answered": [4, connecting("never answered")],
  "connections half-open": [4, connecting("half-open")],
  "kill -9": [4, (random, nodes) => ({ type: "killed", party: partyOf(random, nodes) })],
  restart: [3, (random, nodes) => ({ type: "restarted", party: partyOf(random, nodes) })],
  hang: [4, (random, nodes) => ({ type: "hung", party: partyOf(random, nodes) })],
  "node drained": [3, (random, nodes) => ({ type: "drained", node: random.whole(0, nodes - 1) })],
  "clock off, within tolerance": [3, clock(0, WITHIN_MS)],
  "clock off, beyond tolerance": [3, clock(...BEYOND_MS)],
  "authority's disk full": [3, () => ({ type: "disk full" })],
};

/** Faults of the institution's own doing, which need no other. */
export const MANNERS: readonly Manner[] = ["repeated at once", "sent twice", "goes away"];

const names = Object.entries(FAULT_KINDS).flatMap(([name, [weight]]) =>
  Array.from({ length: weight }, () => name),
);

export function planRun(seed: string, run: number, nodes: number): Plan {
  const random = new Keystream(sandboxKey(`simulation ${seed}`), 210, run);
  // Not used, so that a run stays what it was when it was written down.
  random.unit();
  const faults: PlannedFault[] = [];
  // One run in twenty has no fault at all: then only an answer on full coverage will do.
  const count = random.chance(0.05) ? 0 : random.pick([1, 1, 1, 1, 1, 2, 2, 3]);
  for (let i = 0; i < count; i++) {
    const kind = random.pick(names);
    const [, make] = FAULT_KINDS[kind] as (typeof FAULT_KINDS)[string];
    const planned = {
      kind,
      fault: make(random, nodes),
      atMs: random.chance(0.5) ? 0 : random.whole(0, 150),
      forMs: random.whole(200, LONGEST_MS),
    };
    if (!faults.some((other) => sameTarget(other.fault, planned.fault))) faults.push(planned);
  }
  const questions = Array.from({ length: random.whole(1, 3) }, (): PlannedQuestion => ({
    person: random.unit(),
    question: random.unit(),
    manner: count > 0 && random.chance(0.3) ? random.pick(MANNERS) : "once",
    atMs: random.chance(0.5) ? 0 : random.whole(0, 300),
    leavesAfterMs: random.whole(0, 60),
  }));
  return { run, faults, questions };
}

/** One link has one fault at a time, one party one. */
function sameTarget(a: Fault, b: Fault): boolean {
  return targetOf(a) === targetOf(b);
}

function targetOf(fault: Fault): string {
  switch (fault.type) {
    case "link":
      return `link ${fault.link}`;
    case "drained":
      return `party ${fault.node}`;
    case "disk full":
      return "party authority";
    case "clock":
    case "killed":
    case "restarted":
    case "hung":
      return `party ${fault.party}`;
  }
}

/** For a person who has to find out what happened. */
export function describePlan({ run, faults, questions }: Plan): string {
  const each = faults.map(
    ({ kind, fault, atMs, forMs }) => `${kind} ${JSON.stringify(fault)} at ${atMs} for ${forMs} ms`,
  );
  const manners = questions.map(({ manner, atMs }) => `${manner} at ${atMs} ms`);
  return `run ${run}: ${each.join("; ") || "no fault"}; questions: ${manners.join(", ")}`;
}
