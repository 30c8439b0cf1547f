// The faults of a plan, done to a running federation, and undone.
import { execFileSync } from "node:child_process";
import type { Link } from "./link.ts";
import type { SimulatedFederation } from "./simulated-federation.ts";
import type { Fault } from "./simulation-plan.ts";

export type Heal = () => Promise<void>;

type LinkFaultOf = Extract<Fault, { type: "link" }>;

/** Resolves when it has begun; what it returns ends it. */
export async function begin(fault: Fault, federation: SimulatedFederation): Promise<Heal> {
  switch (fault.type) {
    case "link":
      return onLink(fault, federation.link(fault.link));
    case "killed":
      await federation.party(fault.party).kill();
      return () => startAgain(fault.party, federation);
    case "restarted":
      await federation.party(fault.party).stop();
      return () => startAgain(fault.party, federation);
    case "hung": {
      const party = federation.party(fault.party);
      party.signal("SIGSTOP");
      return async () => party.signal("SIGCONT");
    }
    case "drained": {
      const drained = federation.drain(fault.node);
      return async () => drained[Symbol.dispose]();
    }
    case "clock": {
      // The institution's own clock is the asking's business.
      if (fault.party === "institution") return async () => undefined;
      const party = federation.party(fault.party);
      party.skew(fault.skewMs);
      return async () => party.skew(0);
    }
    case "disk full": {
      const { pid } = federation.party("authority");
      limitFileSize(pid, "1");
      return async () => limitFileSize(pid, "unlimited");
    }
  }
}

async function startAgain(
  name: Parameters<SimulatedFederation["party"]>[0],
  federation: SimulatedFederation,
): Promise<void> {
  const party = federation.party(name);
  party.spawn();
  await party.ready();
}

function onLink({ fault, resetsFirst, leavesSilence }: LinkFaultOf, link: Link): Heal {
  if (fault === "reset") {
    link.reset();
    return async () => undefined;
  }
  const injected = link.inject(fault);
  if (resetsFirst) link.reset();
  return async () => {
    injected[Symbol.dispose]();
    const isSilent = fault === "never answered" || fault === "half-open";
    if (isSilent && !leavesSilence) link.reset();
  };
}

/** setrlimit(2), RLIMIT_FSIZE: every write beyond it fails, in whatever file, as on a full disk. Node ignores the signal. */
function limitFileSize(pid: number, softLimit: string): void {
  execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${softLimit}:`]);
}
