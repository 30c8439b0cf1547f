// Oracle against product, indicator by indicator and question by question. A difference names product, indicator and the
// subject's place in the list, never who it is.
import { isDeepStrictEqual } from "node:util";
import type { Answer } from "../../catalogue/index.ts";
import { canonicalJson } from "../../core/canonical.ts";
import type { Oracle, OracleSubject } from "../../province-node/sandbox/oracle/index.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import type { ClearFederation } from "./clear-federation.ts";
import type { Question } from "./questions.ts";

const MOST_SHOWN = 40;

export class Comparison {
  readonly #federation: ClearFederation;
  readonly #oracle: Oracle;
  readonly differences: string[] = [];
  /** By what was compared: an indicator's values count one each, a question's answer one. */
  readonly counts = new Map<string, number>();
  /** By verification or product: the answers that came, and how often. Tags count one each. */
  readonly answers = new Map<string, Map<string, number>>();
  #differing = 0;

  constructor(federation: ClearFederation, oracle: Oracle) {
    this.#federation = federation;
    this.#oracle = oracle;
  }

  #count(kind: string, same: boolean, describe: () => string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (same) return;
    this.#differing++;
    if (this.differences.length < MOST_SHOWN) this.differences.push(describe());
  }

  get total(): number {
    return this.counts.values().reduce((sum, count) => sum + count, 0);
  }

  /** Every indicator of every number that any province holds of the person. */
  indicators(subject: OracleSubject, index: number): void {
    const { indicators } = this.#federation.catalogue;
    const records = this.#federation.lookup(subject).flatMap((person) => person?.numbers ?? []);
    const readings = this.#oracle.numbersOf(subject).flat();
    this.#count("numbers", records.length === readings.length, () => `subject ${index}: numbers`);
    records.forEach(({ values }, n) => {
      const reading = readings[n];
      indicators.forEach(({ id, scale }, position) => {
        const natural = reading?.value(id) ?? null;
        const expected = natural === null ? null : Math.round(natural * scale);
        const stored = values[position] ?? null;
        this.#count(
          "indicator values",
          stored === expected,
          () => `${id}, subject ${index}, number ${n}: store ${stored}, oracle ${expected}`,
        );
      });
    });
  }

  /** Every question that `ask` thinks of, given what the oracle reads of the person. */
  questions(
    subject: OracleSubject,
    index: number,
    ask: (numbers: readonly NumberReading[]) => Iterable<Question>,
  ): void {
    const people = this.#federation.lookup(subject);
    for (const question of ask(this.#oracle.numbersOf(subject).flat())) {
      const { claims, facts = {}, what } = question;
      const product = this.#federation.product(question.product);
      if (!product.subjects.includes("msisdn" in subject ? "msisdn" : "cn-id")) continue;
      const outcome = this.#federation.ask(product, people, claims, facts);
      const expected = this.#oracle.expected(product.ref, subject, claims, facts);
      this.#remember(what.of, expected);
      this.#count(
        what.kind,
        isDeepStrictEqual(outcome.answer, expected),
        () =>
          `${product.ref}, ${what.detail}, subject ${index}: ` +
          `product ${canonicalJson(outcome)}, oracle ${canonicalJson(expected)}`,
      );
    }
  }

  #remember(of: string, answer: Answer): void {
    const seen = this.answers.get(of) ?? new Map<string, number>();
    this.answers.set(of, seen);
    if (answer.kind === "alerts") throw new TypeError("a watch has no answer of one day");
    const values = answer.kind === "tags" ? answer.tags : [valueOf(answer)];
    for (const value of values) seen.set(value, (seen.get(value) ?? 0) + 1);
  }

  /** Which of these answers never came: a comparison in which they all are the same proves little. */
  neverSeen(of: string, values: readonly string[]): string[] {
    return values.filter((value) => !this.answers.get(of)?.has(value)).map((v) => `${of}: ${v}`);
  }

  report(): string {
    const lines = [...this.counts].map(([kind, count]) => `${kind}: ${count}`);
    return [
      `${this.total} compared, ${this.#differing} differ`,
      ...lines.toSorted(),
      ...this.differences,
    ].join("\n");
  }
}

function valueOf(answer: Exclude<Answer, { kind: "tags" | "alerts" }>): string {
  if (answer.kind === "yes_no") return answer.value;
  return answer.band ?? "unknown";
}
