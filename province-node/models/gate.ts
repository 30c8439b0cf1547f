// Stands between a question and a model package: evaluates only what this province's operator has approved, runs what
// is in shadow beside it without ever answering, and refuses the rest by a code that says nothing about who is held.
// Decisions are read again when their file has changed, at most once a second.
import { statSync } from "node:fs";
import type { Catalogue, PersonRecord, Product } from "../../catalogue/index.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { scoreOfNumber } from "../evaluate/score.ts";
import { decisionsPath, type ModelDecision, readDecisions, stateOf } from "./decisions.ts";
import { ShadowTallies } from "./shadow-tally.ts";

const LOOK_AGAIN_MS = 1000;
const FLUSH_MS = 10_000;

/** A product whose model came as a package. */
type PackagedProduct = Product & Required<Pick<Product, "package">>;

export class ModelGate implements Disposable {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #tallies: ShadowTallies;
  readonly #flushing: NodeJS.Timeout;
  #decisions: readonly ModelDecision[] = [];
  #stamp = "";
  #lookAt = -Infinity;

  /** @param folder the province's own. @throws WjfError `config-invalid`. */
  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
    this.#tallies = new ShadowTallies(folder);
    this.#refresh();
    this.#flushing = setInterval(() => this.#tallies.flush(), FLUSH_MS).unref();
  }

  /** "shadow": evaluate it, and refuse. @throws WjfError `model-not-approved`. */
  admit(product: Product): "answer" | "shadow" {
    if (!isPackaged(product)) return "answer";
    const state = this.#state(product);
    if (state === "approved") return "answer";
    if (state === "shadow") return "shadow";
    throw new WjfError("model-not-approved");
  }

  /** Scores whatever is in shadow of the asked model, `product` itself included. `person` undefined: nobody held. */
  observe(product: Product, person: PersonRecord | undefined, catalogue: Catalogue): void {
    if (!isPackaged(product) || person === undefined) return;
    for (const shadow of catalogue.products.values()) {
      if (shadow.id !== product.id || !isPackaged(shadow)) continue;
      if (this.#state(shadow) !== "shadow") continue;
      const score = scoreOfPerson(shadow, person);
      const asked = shadow === product ? null : scoreOfPerson(product, person);
      if (score === null || shadow.evaluation.type !== "model") continue;
      this.#tallies.record(shadow.evaluation.model, score, asked ?? undefined);
    }
  }

  #state({ ref, package: { sha256 } }: PackagedProduct) {
    if (this.#clock.nowMs() >= this.#lookAt) this.#refresh();
    return stateOf(this.#decisions, { ref, sha256 });
  }

  #refresh(): void {
    this.#lookAt = this.#clock.nowMs() + LOOK_AGAIN_MS;
    const stat = statSync(decisionsPath(this.#folder), { bigint: true, throwIfNoEntry: false });
    const stamp = stat === undefined ? "" : `${stat.mtimeNs}/${stat.ino}/${stat.size}`;
    if (stamp === this.#stamp) return;
    this.#decisions = readDecisions(this.#folder);
    this.#stamp = stamp;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#flushing);
    this.#tallies.flush();
  }
}

function isPackaged(product: Product): product is PackagedProduct {
  return product.package !== undefined;
}

/** Of the first number: a tally is about the model, not about people with several numbers. */
function scoreOfPerson({ evaluation, context }: Product, { numbers }: PersonRecord): number | null {
  const [first] = numbers;
  if (evaluation.type !== "model" || first === undefined) return null;
  return scoreOfNumber(evaluation.model, first, context);
}
