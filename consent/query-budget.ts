// How finely one institution may ask about one person. Each consent has its own `max_uses`, but consents add up: with many
// products, claims that differ a little, and thresholds, yes and no narrow a value down. So what was released about a person
// to an institution within the last day is counted over all of its consents, and products that take claims have a tighter
// budget, because each such question is a guess. The person is the keyed index that the consents carry; two identifiers of
// one person (phone, ID number) are two indices, with a budget each. Counted in the release's transaction, so it is exact.
import type { Product } from "../catalogue/index.ts";
import { chunks } from "../core/database.ts";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { ClientLimits } from "./clients.ts";
import type { ConsentDb } from "./schema.ts";
import type { SpendableConsent } from "./spend-group.ts";

const WINDOW_MS = 86_400_000;

interface Used {
  questions: number;
  /** Of them, those of products that take claims. */
  withClaims: number;
}

type Asker = Pick<SpendableConsent, "clientId" | "subjectIndex">;
type BudgetLimits = Pick<ClientLimits, "queries_per_person_per_day" | "claims_per_person_per_day">;

interface QueryBudgetParts {
  readonly products: ReadonlyMap<string, Product>;
  /** As registered; undefined for nobody that is, who is refused elsewhere. */
  readonly limitsOf: (clientId: string) => BudgetLimits | undefined;
  /** Who comes here is probing, or has a fault: the operator's alerts look for the line. */
  readonly log: Logger;
}

export class QueryBudget {
  readonly #parts: QueryBudgetParts;
  /** By institution and person. */
  readonly #used = new Map<string, Used>();

  private constructor(parts: QueryBudgetParts) {
    this.#parts = parts;
  }

  /** What these have used; nothing is read of institutions that have no budget. */
  static async read(
    db: ConsentDb,
    askers: readonly Asker[],
    nowMs: number,
    parts: QueryBudgetParts,
  ): Promise<QueryBudget> {
    const budget = new QueryBudget(parts);
    const budgeted = askers.filter(({ clientId }) => hasBudget(parts.limitsOf(clientId)));
    const clients = [...new Set(budgeted.map(({ clientId }) => clientId))];
    const people = new Set(budgeted.map(({ subjectIndex }) => subjectIndex));
    for (const chunk of chunks([...people])) {
      const rows = await db
        .selectFrom("consent")
        .innerJoin("consent_use", "consent_use.consent_id", "consent.id")
        .select(["client_id", "subject_index", "product"])
        .select((eb) => eb.fn.countAll<number>().as("releases"))
        .where("subject_index", "in", chunk)
        .where("client_id", "in", clients)
        .where("used_at", ">", nowMs - WINDOW_MS)
        .groupBy(["client_id", "subject_index", "product"])
        .execute();
      for (const { client_id: clientId, subject_index: subjectIndex, product, releases } of rows) {
        budget.count({ clientId, subjectIndex }, product, releases);
      }
    }
    return budget;
  }

  /** @throws WjfError `query-budget` when one more would be too many. */
  requireLeft(asker: Asker, product: string): void {
    const limits = this.#parts.limitsOf(asker.clientId) ?? NO_BUDGET;
    const { questions, withClaims } = this.#used.get(keyOf(asker)) ?? NOTHING;
    const left =
      isBelow(questions, limits.queries_per_person_per_day) &&
      (!this.#takesClaims(product) || isBelow(withClaims, limits.claims_per_person_per_day));
    if (left) return;
    const { clientId: client_id } = asker;
    this.#parts.log.warn({ alert: "query-budget", client_id, product }, "a budget is used up");
    throw new WjfError("query-budget");
  }

  /** Counts what is released now. */
  count(asker: Asker, product: string, releases = 1): void {
    const key = keyOf(asker);
    const used = this.#used.get(key) ?? { ...NOTHING };
    used.questions += releases;
    if (this.#takesClaims(product)) used.withClaims += releases;
    this.#used.set(key, used);
  }

  #takesClaims(product: string): boolean {
    return this.#parts.products.get(product)?.claims !== "none";
  }
}

const NOTHING: Readonly<Used> = { questions: 0, withClaims: 0 };
const NO_BUDGET: BudgetLimits = {
  queries_per_person_per_day: null,
  claims_per_person_per_day: null,
};

function hasBudget(limits: BudgetLimits = NO_BUDGET): boolean {
  return limits.queries_per_person_per_day !== null || limits.claims_per_person_per_day !== null;
}

function isBelow(used: number, budget: number | null): boolean {
  return budget === null || used < budget;
}

function keyOf({ clientId, subjectIndex }: Asker): string {
  return `${clientId} ${subjectIndex}`;
}
