// What the simulation asks, and what it must be told: every product's questions about a sandbox's people and a stranger, and the
// independent oracle's answers, over all provinces or over any of those that may have been left out.
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Answer, type Catalogue, loadCatalogue, type Product } from "../../catalogue/index.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import {
  Oracle,
  type OracleClaims,
  type OracleSubject,
} from "../../province-node/sandbox/oracle/index.ts";
import { ASOF } from "../federation/federation.ts";
import { questionsAbout } from "../oracle/questions.ts";
import type { SimulatedFederation } from "./simulated-federation.ts";
import type { PlannedQuestion } from "./simulation-plan.ts";

export interface SimulatedQuestion {
  readonly product: Product;
  readonly subject: OracleSubject;
  readonly claims?: OracleClaims;
}

const STRANGER = { msisdn: "+8613900000000" };
/** Counts institutions that asked before: what it says depends on the runs before. */
const NOT_ASKED = "fraud-score@1";
/** Of the single checks. */
const SHARE = 0.03;

export class SimulatedQuestions {
  readonly #catalogue: Catalogue = loadCatalogue();
  readonly #federation: SimulatedFederation;
  readonly #sandbox: string;
  readonly #subsets: string;
  /** By person. */
  readonly #pool: readonly (readonly SimulatedQuestion[])[];
  /** By the provinces that are in, joined. */
  readonly #oracles = new Map<string, Oracle>();

  constructor(federation: SimulatedFederation) {
    this.#federation = federation;
    this.#sandbox = join(federation.settings.home, "sandbox");
    this.#subsets = join(federation.settings.home, "subsets");
    const people = federation.truth.map(({ cnId, numbers }) => ({
      byPhone: { msisdn: numbers[0]?.msisdn as string },
      byId: { cnId },
    }));
    const everyone = [...people, { byPhone: STRANGER, byId: undefined }];
    this.#pool = everyone.map(({ byPhone, byId }, i) => this.#about(byPhone, byId, i));
  }

  #about(
    byPhone: OracleSubject,
    byId: OracleSubject | undefined,
    index: number,
  ): SimulatedQuestion[] {
    const random = new Keystream(sandboxKey("simulated questions"), 211, index);
    const numbers = this.#over(this.#federation.codes).numbersOf(byPhone).flat();
    const questions = questionsAbout(numbers, this.#catalogue, random, SHARE);
    return [...questions].flatMap(({ product: ref, claims }) => {
      const product = this.#catalogue.products.get(ref) as Product;
      const subject = product.subjects.includes("msisdn") ? byPhone : byId;
      if (ref === NOT_ASKED || subject === undefined) return [];
      return { product, subject, ...(claims && { claims }) };
    });
  }

  pick({ person, question }: Pick<PlannedQuestion, "person" | "question">): SimulatedQuestion {
    const about = this.#pool[Math.floor(person * this.#pool.length)] ?? [];
    return about[Math.floor(question * about.length)] as SimulatedQuestion;
  }

  /** Whose answer is "no", which needs every province. */
  denied(person: number): SimulatedQuestion {
    const { truth } = this.#federation;
    const { numbers } = truth[person % truth.length] as (typeof truth)[number];
    const msisdn = numbers[0]?.msisdn as string;
    const claim = { msisdn, name: "不是他" };
    return {
      product: this.#catalogue.products.get("identity-verification@1") as Product,
      subject: { msisdn },
      claims: { checks: [{ indicator: "id.number_name", claim }] },
    };
  }

  /** What may be said when so many provinces are in the sum, whichever they are. */
  expected({ product, subject, claims }: SimulatedQuestion, answered: number): readonly Answer[] {
    const answers: Answer[] = [];
    for (const codes of subsets(this.#federation.codes, answered)) {
      const answer = this.#over(codes).expected(product.ref, subject, claims);
      if (!answers.some((other) => isDeepStrictEqual(other, answer))) answers.push(answer);
    }
    return answers;
  }

  #over(codes: readonly string[]): Oracle {
    const key = codes.join("+");
    let oracle = this.#oracles.get(key);
    if (oracle === undefined) {
      const folder = join(this.#subsets, key);
      mkdirSync(folder, { recursive: true });
      for (const code of codes) symlinkSync(join(this.#sandbox, code), join(folder, code));
      oracle = Oracle.open(folder, ASOF, this.#catalogue);
      this.#oracles.set(key, oracle);
    }
    return oracle;
  }
}

function* subsets<T>(all: readonly T[], size: number): Generator<T[]> {
  const [first, ...others] = all;
  if (size === 0) yield [];
  else if (first !== undefined && size <= all.length) {
    for (const rest of subsets(others, size - 1)) yield [first, ...rest];
    yield* subsets(others, size);
  }
}
