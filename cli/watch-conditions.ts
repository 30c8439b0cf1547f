// Conditions of a watch as they are given on the command line, `sim_changed:days=30`, against the catalogue: which test, which
// thresholds, which claims, and which product has them. What is refused is named by its place, never by what it holds.
import {
  CLAIM_FIELDS,
  type ClaimFieldName,
  loadCatalogue,
  type Product,
} from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";

interface Condition {
  readonly indicator: string;
  readonly params: Readonly<Record<string, number>>;
  readonly claim: Readonly<Record<string, string | number>>;
}

export interface Conditions {
  readonly product: Product;
  readonly conditions: readonly Condition[];
}

const PREFIX = "watch.";

/** @throws WjfError `request-malformed`. */
export function readConditions(texts: readonly string[]): Conditions {
  const conditions = texts.map(readCondition);
  const product = [...loadCatalogue().products.values()].find(
    ({ evaluation }) =>
      evaluation.type === "watches" &&
      conditions.every(({ indicator }) => evaluation.watches.some(({ id }) => id === indicator)),
  );
  if (product === undefined || product.claimsSchema === null) {
    throw new WjfError("request-malformed", "--condition: post-loan tests of one product");
  }
  parseWith(product.claimsSchema, { conditions }, "request-malformed", "--condition");
  return { product, conditions };
}

function readCondition(text: string): Condition {
  const [name = "", ...rest] = text.split(":");
  const params: Record<string, number> = {};
  const claim: Record<string, string | number> = {};
  const settings = rest.join(":");
  for (const setting of settings === "" ? [] : settings.split(",")) {
    const [key = "", ...words] = setting.split("=");
    const value = words.join("=");
    if (!isClaimField(key)) params[key] = Number(value);
    else claim[key] = CLAIM_FIELDS[key].kind === "code" ? Number(value) : value;
  }
  return { indicator: name.startsWith(PREFIX) ? name : `${PREFIX}${name}`, params, claim };
}

function isClaimField(name: string): name is ClaimFieldName {
  return Object.hasOwn(CLAIM_FIELDS, name);
}
