// What a simulation has come to: findings as they come, and by fault how often it struck, how often a question was answered on all
// provinces, on some, or refused until it was over, and which refusals were given.
import type { RunResult } from "./simulation.ts";
import { isAnswered } from "./simulation-asking.ts";
import type { SimulatedFederation } from "./simulated-federation.ts";
import { describePlan, type Plan } from "./simulation-plan.ts";

interface OfKind {
  runs: number;
  questions: number;
  /** Answered at the first attempt: on all provinces, on some. */
  full: number;
  partial: number;
  /** Longest recovery. */
  recoveredMs: number;
  readonly refusals: Map<string, number>;
}

/** Of the runs after which it took longest until all provinces answered. */
const SLOWEST_SHOWN = 5;
/** Between two signs of life. */
const TELL_EVERY = 100;

export class SimulationReport {
  readonly findings: string[] = [];
  readonly kinds = new Map<string, OfKind>();
  readonly #seed: string;
  readonly #slowest: { readonly recoveredMs: number; readonly plan: Plan }[] = [];
  readonly #startedMs = performance.now();
  #runs = 0;
  #answers = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  add(result: RunResult, federation: SimulatedFederation): void {
    this.#runs++;
    for (const kind of kindsOf(result.plan)) this.#count(kind, result);
    const { plan, recoveredMs = 0 } = result;
    this.#slowest.push({ recoveredMs, plan });
    this.#slowest.sort((a, b) => b.recoveredMs - a.recoveredMs).splice(SLOWEST_SHOWN);
    this.#answers += result.seen.filter(({ attempts }) => attempts.some(isAnswered)).length;
    if (result.findings.length > 0) {
      const found = `seed ${this.#seed}, ${describePlan(result.plan)}\n  ${result.findings.join("\n  ")}`;
      this.findings.push(found);
      const attempts = result.seen.map((seen) => `${seen.product.ref}: ${described(seen)}`);
      process.stderr.write(`${[found, ...attempts, federation.written()].join("\n")}\n`);
    }
    if (this.#runs % TELL_EVERY === 0) {
      process.stderr.write(`${this.#runs} runs in ${this.#seconds()} s\n`);
    }
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#startedMs) / 1000);
  }

  #count(kind: string, { seen, recoveredMs = 0 }: RunResult): void {
    const known = this.kinds.get(kind);
    const of = known ?? {
      runs: 0,
      questions: 0,
      full: 0,
      partial: 0,
      recoveredMs: 0,
      refusals: new Map<string, number>(),
    };
    this.kinds.set(kind, of);
    of.runs++;
    of.recoveredMs = Math.max(of.recoveredMs, recoveredMs);
    // The last is the probe, which is asked when it is over.
    for (const { attempts, of: all } of seen.slice(0, -1)) {
      of.questions++;
      const first = attempts[0]?.told;
      if (typeof first === "object" && first.status === 200) {
        if (first.coverage?.answered === all) of.full++;
        else of.partial++;
      }
      for (const { told } of attempts) {
        const refusal = typeof told === "string" ? told : (told.code ?? "");
        if (refusal !== "") of.refusals.set(refusal, (of.refusals.get(refusal) ?? 0) + 1);
      }
    }
  }

  print(): string {
    const rows = [...this.kinds]
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([kind, of]) => {
        const refusals = [...of.refusals].toSorted(([, a], [, b]) => b - a);
        return [
          kind.padEnd(35),
          ...[of.runs, of.questions, of.full, of.partial].map((n) => String(n).padStart(6)),
          (of.recoveredMs / 1000).toFixed(1).padStart(6),
          `  ${refusals.map(([code, count]) => `${code} ${count}`).join(", ")}`,
        ].join(" ");
      });
    return [
      `seed ${this.#seed}: ${this.#runs} runs, ${this.kinds.size} kinds, ${this.#answers} answers, ` +
        `${this.findings.length} runs with findings, ${this.#seconds()} s`,
      "questions: asked while it lasts; full, partial: answered at once; whole: longest until all provinces answer again, s",
      `${"kind".padEnd(35)}   runs  asked   full   part  whole   refused meanwhile`,
      ...rows,
      ...this.#slowest.map(
        ({ recoveredMs, plan }) => `${(recoveredMs / 1000).toFixed(1)} s: ${describePlan(plan)}`,
      ),
      "",
    ].join("\n");
  }
}

function kindsOf({ faults, questions }: Plan): Set<string> {
  const kinds = faults.map(({ kind }) => kind);
  const manners = questions.flatMap(({ manner }) =>
    manner === "once" ? [] : [`question ${manner}`],
  );
  return new Set(kinds.length + manners.length === 0 ? ["no fault"] : [...kinds, ...manners]);
}

function described({ attempts }: RunResult["seen"][number]): string {
  const each = attempts.map(({ told, tookMs }) => {
    const what = typeof told === "string" ? told : `${told.status} ${told.code ?? ""}`;
    return `${what} (${Math.round(tookMs)} ms)`;
  });
  return each.length > 12
    ? `${each.slice(0, 6).join(", ")} … ${each.slice(-6).join(", ")}`
    : each.join(", ");
}
