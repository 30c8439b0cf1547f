// The independent oracle: what every product must answer about a sandbox's people, computed over the provinces' raw CSV
// rows in plain TypeScript. It shares no path with the product: no DuckDB, no declaration's SQL or predicate, none of
// the node's evaluation and none of the release. It sees everything in the clear, so it is for sandboxes only.
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type Answer,
  type AuthorityFacts,
  loadCatalogue,
  type Product,
  type YesNo,
} from "../../../catalogue/index.ts";
import { PROVINCES } from "../../../core/provinces.ts";
import { type AskedCombination, combined } from "./combination.ts";
import { contacts } from "./habits.ts";
import { type ClaimedInputs, scored } from "./model-score.ts";
import { asOf, ProvinceRows, sumOf } from "./number-history.ts";
import { NumberReading, type Parameters } from "./number-reading.ts";
import { nationalNumber } from "./raw-rows.ts";
import { EvidenceMean, scoreAnswer } from "./score-answer.ts";
import { hasTag } from "./tags.ts";
import { type AskedCheck, verify } from "./verifications.ts";

export type OracleSubject = { readonly msisdn: string } | { readonly cnId: string };

/** Claims as an institution writes them, before sealing. They must be such as the product accepts. */
export interface OracleClaims {
  readonly combine?: AskedCombination;
  readonly checks?: readonly AskedCheck[];
  readonly classes?: readonly string[];
  /** Checks or numbers that a model takes, by claim. */
  readonly [claim: string]: unknown;
}

type Evaluation<T extends Product["evaluation"]["type"]> = Extract<
  Product["evaluation"],
  { type: T }
>;

/** A person's numbers, by province that holds any. */
type Held = readonly (readonly NumberReading[])[];

export class Oracle {
  readonly #provinces: readonly ProvinceRows[];
  readonly #parameters: Parameters;
  /** Whoever was asked about last: several questions about one person read the rows once. */
  #last: { readonly subject: string; readonly held: Held } = { subject: "", held: [] };

  private constructor(provinces: readonly ProvinceRows[], parameters: Parameters) {
    this.#provinces = provinces;
    this.#parameters = parameters;
  }

  /**
   * Over `<sandboxDir>/<code>/*.csv` of every province that is there. A table is read when it is first needed.
   * @param asof YYYY-MM-DD, the day that the provinces were loaded as of
   */
  static open(sandboxDir: string, asof: string, parameters: Parameters = loadCatalogue()): Oracle {
    const folders = PROVINCES.map(({ code }) => join(sandboxDir, code));
    const provinces = folders
      .filter((folder) => existsSync(join(folder, "subscriber.csv")))
      .map((folder) => new ProvinceRows(folder, asOf(asof)));
    return new Oracle(provinces, parameters);
  }

  /** @param facts what the authority counts; without it, a model's authority part does not apply */
  expected(
    productRef: string,
    subject: OracleSubject,
    claims: OracleClaims = {},
    facts: AuthorityFacts = {},
  ): Answer {
    const product = this.#parameters.products.get(productRef);
    if (product === undefined) throw new TypeError(`there is no product ${productRef}`);
    const held = this.numbersOf(subject);
    switch (product.evaluation.type) {
      case "checks":
        return verified(held, claims);
      case "count":
        return counted(held, product, product.evaluation);
      case "model":
        return modelled(held, product, product.evaluation, claims, facts);
      case "watches":
        throw new TypeError("a watch tells changes: it has no answer of one day");
      case "tags":
        return tagged(held, product.evaluation, claims);
    }
  }

  /** The numbers that a question about the person is answered from, by province that holds any. */
  numbersOf(subject: OracleSubject): Held {
    const wanted =
      "msisdn" in subject
        ? { msisdn: nationalNumber(subject.msisdn) }
        : { cnId: subject.cnId.trim().toUpperCase() };
    const name = JSON.stringify(wanted);
    if (this.#last.subject !== name) {
      const held = this.#provinces
        .map((province) => province.histories(wanted))
        .filter((histories) => histories.length > 0)
        .map((histories) => histories.map((each) => new NumberReading(each, this.#parameters)));
      this.#last = { subject: name, held };
    }
    return this.#last.held;
  }
}

function yesNo(known: boolean, yes: boolean): Answer {
  const value: YesNo = yes ? "yes" : known ? "no" : "unknown";
  return { kind: "yes_no", value };
}

/** Yes if any number anywhere says yes; unknown if none can say. */
function verified(held: Held, { checks = [], combine = "all" }: OracleClaims): Answer {
  const truths = held.flat().map((number) =>
    combined(
      combine,
      checks.map((check) => verify(number, check)),
    ),
  );
  return yesNo(
    truths.some((truth) => truth !== null),
    truths.includes(true),
  );
}

function counted(
  held: Held,
  { rule }: Product,
  { indicator, maxCount }: Evaluation<"count">,
): Answer {
  if (rule.type !== "at-least") throw new TypeError("a count is released as at-least");
  const values = held.map((numbers) =>
    numbers.flatMap((number) => number.value(indicator.id) ?? []),
  );
  const total = sumOf(values.map((each) => Math.min(maxCount, sumOf(each.map(Math.floor)))));
  return yesNo(values.flat().length > 0, total >= rule.k);
}

function modelled(
  held: Held,
  { rule }: Product,
  { model, inputs }: Evaluation<"model">,
  claims: OracleClaims,
  facts: AuthorityFacts,
): Answer {
  const mean = new EvidenceMean(
    held.map((numbers) =>
      numbers.map((number) => scored(number, model, claimedInputs(number, inputs, claims))),
    ),
  );
  if (rule.type !== "threshold") return scoreAnswer(model, mean, facts);
  const value = mean.value(model);
  const reaches = value !== null && (model.good === "high" ? value >= rule.at : value <= rule.at);
  return yesNo(value !== null, reaches);
}

function claimedInputs(
  number: NumberReading,
  inputs: Evaluation<"model">["inputs"],
  claims: OracleClaims,
): ClaimedInputs {
  const given: Record<string, number | null> = {};
  for (const { id, claim, count } of inputs) {
    const claimed = claims[claim] as readonly unknown[] | undefined;
    if (claimed === undefined) given[id] = null;
    else if (count === "contradicted") {
      const checks = claimed as readonly AskedCheck[];
      given[id] = checks.filter((check) => verify(number, check) === false).length;
    } else {
      const listed = new Set(claimed.map((each) => nationalNumber(String(each))));
      given[id] =
        count === "self"
          ? Number(listed.has(number.history.subscriber.msisdn))
          : contacts(number).filter((peer) => listed.has(peer)).length;
    }
  }
  return given;
}

/** The tags of the asked classes that hold for any of the person's numbers, in the catalogue's order. */
function tagged(held: Held, { classes }: Evaluation<"tags">, claims: OracleClaims): Answer {
  const asked = claims.classes ?? classes.map(({ id }) => id);
  const tags = classes
    .filter(({ id }) => asked.includes(id))
    .flatMap((each) => each.tags.map(({ id }) => id))
    .filter((tag) => held.flat().some((number) => hasTag(number, tag)));
  return { kind: "tags", tags };
}
