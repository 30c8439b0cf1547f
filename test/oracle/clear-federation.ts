// The product's own path without encryption: every province loaded into its store, each item evaluated at every
// province, the slots added, the sums decided. What crypto adds is the federation tests' to prove.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Answer,
  type AuthorityFacts,
  type Catalogue,
  decideAnswer,
  loadCatalogue,
  type PersonRecord,
  type Product,
} from "../../catalogue/index.ts";
import { normaliseCnId, normaliseMsisdn, subjectTag } from "../../crypto/subject.ts";
import { evaluateItem } from "../../province-node/evaluate.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import type { OracleSubject } from "../../province-node/sandbox/oracle/index.ts";

const subjectKey = Buffer.alloc(32, 5);

export interface Outcome {
  readonly answer?: Answer;
  readonly refused?: string;
}

export class ClearFederation {
  readonly catalogue: Catalogue = loadCatalogue();
  readonly #stores: readonly FeatureStore[];
  readonly codes: readonly string[];
  readonly rejected: number;
  readonly rawRows: number;

  private constructor(codes: readonly string[], stores: FeatureStore[], rows: [number, number]) {
    this.codes = codes;
    this.#stores = stores;
    [this.rawRows, this.rejected] = rows;
  }

  static async load(
    sandboxDir: string,
    asof: string,
    codes: readonly string[],
  ): Promise<ClearFederation> {
    const catalogue = loadCatalogue();
    const stores: FeatureStore[] = [];
    let rawRows = 0;
    let rejected = 0;
    for (const code of codes) {
      const folder = join(sandboxDir, "stores", code);
      mkdirSync(folder, { recursive: true });
      const storePath = join(folder, "node.store");
      const report = await loadProvince({
        rawDir: join(sandboxDir, code),
        storePath,
        rejectsDir: join(folder, "rejects"),
        subjectKey,
        asof,
        catalogue,
      });
      rawRows += report.rawRows;
      rejected += report.rejected;
      stores.push(FeatureStore.open(storePath, catalogue));
    }
    return new ClearFederation(codes, stores, [rawRows, rejected]);
  }

  product(ref: string): Product {
    const product = this.catalogue.products.get(ref);
    if (product === undefined) throw new Error(`no product ${ref}`);
    return product;
  }

  /** What each province holds of the person, in the order of `codes`. */
  lookup(subject: OracleSubject): (PersonRecord | undefined)[] {
    const tag =
      "msisdn" in subject
        ? subjectTag(subjectKey, "msisdn", normaliseMsisdn(subject.msisdn))
        : subjectTag(subjectKey, "cn-id", normaliseCnId(subject.cnId));
    return this.#stores.map((store) => store.lookup(tag));
  }

  ask(
    product: Product,
    people: readonly (PersonRecord | undefined)[],
    claims?: unknown,
    facts: AuthorityFacts = {},
  ): Outcome {
    const sums = product.slots.map(() => 0);
    for (const person of people) {
      // A province that holds nobody gives zeros (evaluate.test.ts), whatever the question.
      if (person === undefined) continue;
      const slots = evaluateItem(product, person, claims, { subjectKey });
      slots.forEach((value, i) => (sums[i] = (sums[i] as number) + value));
    }
    const decision = decideAnswer(product, sums, this.codes.length, facts);
    return decision.kind === "answer" ? { answer: decision.answer } : { refused: decision.code };
  }

  [Symbol.dispose](): void {
    for (const store of this.#stores) store[Symbol.dispose]();
  }
}
