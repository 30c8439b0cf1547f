// What a CIBA request must say here, on top of the standard: one registered `dpv:` purpose, the products as scopes
// (CAMARA convention) and again as the one authorization_details entry (RFC 9396), a resource that is a gateway of ours
// (RFC 8707). Each refusal is the OAuth error that the standard names for it. Pure: no database, no clock.
import { errors as oidcErrors } from "oidc-provider";
import { describeIssues } from "../../core/parse.ts";
import type { FindProduct, ProductNotice } from "../approval/data-classes.ts";
import type { Client } from "../clients.ts";
import {
  LONGEST_TERM,
  type Period,
  periodSeconds,
  QueryAuthorization,
  scopeProducts,
  scopePurpose,
} from "../consent-claims.ts";
import { findPurpose } from "../purposes.ts";

const DEFAULT_TERM: Record<QueryAuthorization["fetch"], Period> = {
  ONETIME: { unit: "DAY", value: 1 },
  PERIODIC: { unit: "DAY", value: 90 },
};
/** Longest that an institution may ask to keep an answer (adverse facts: five years, Credit Industry Regulation). */
const LONGEST_RETENTION: Period = { unit: "YEAR", value: 5 };

export interface RequestedConsent {
  readonly purpose: string;
  readonly products: readonly ProductNotice[];
  readonly terms: QueryAuthorization;
}

export interface RequestParameters {
  /** The `scope` parameter. */
  readonly scope: string;
  /** The `authorization_details` parameter, as sent. */
  readonly authorizationDetails: string | undefined;
}

/** @throws errors.InvalidScope, errors.InvalidAuthorizationDetails. */
export function parseRequest(
  parameters: RequestParameters,
  client: Client,
  findProduct: FindProduct,
): RequestedConsent {
  const scope = parameters.scope
    .split(" ")
    .filter((part) => part !== "openid")
    .join(" ");
  const purpose = requirePurpose(scope, client);
  const products = requireProducts(scope, client, findProduct);
  const terms = parseTerms(parameters.authorizationDetails);
  const refs = new Set(products.map(({ ref }) => ref));
  if (terms.actions.length !== refs.size || !terms.actions.every((ref) => refs.has(ref))) {
    throw new oidcErrors.InvalidAuthorizationDetails("actions are not the products of the scope");
  }
  return { purpose, products, terms };
}

function requirePurpose(scope: string, client: Client): string {
  const purpose = scopePurpose(scope);
  if (purpose === undefined) {
    throw new oidcErrors.InvalidScope("exactly one dpv: purpose is required", scope);
  }
  const allowed: readonly string[] = client.purposes;
  if (findPurpose(purpose) === undefined || !allowed.includes(purpose)) {
    throw new oidcErrors.InvalidScope("this client is not registered for the purpose", purpose);
  }
  return purpose;
}

function requireProducts(scope: string, client: Client, findProduct: FindProduct): ProductNotice[] {
  const refs = [...new Set(scopeProducts(scope))];
  if (refs.length === 0) {
    throw new oidcErrors.InvalidScope("at least one product is required", scope);
  }
  const allowed: readonly string[] = client.products;
  return refs.map((ref) => {
    const product = findProduct(ref);
    if (product === undefined || !allowed.includes(ref)) {
      throw new oidcErrors.InvalidScope("this client is not registered for the product", ref);
    }
    return product;
  });
}

/** The one entry, with the consent's term filled in. */
function parseTerms(text: string | undefined): QueryAuthorization {
  if (text === undefined) {
    throw new oidcErrors.InvalidAuthorizationDetails("authorization_details is required");
  }
  let details: unknown;
  try {
    details = JSON.parse(text);
  } catch {
    throw new oidcErrors.InvalidAuthorizationDetails("not JSON");
  }
  if (!Array.isArray(details) || details.length !== 1) {
    throw new oidcErrors.InvalidAuthorizationDetails("exactly one entry is required");
  }
  return parseDetail(details[0]);
}

/** One entry by itself: RFC 9396 §5. @throws errors.InvalidAuthorizationDetails. */
export function parseDetail(detail: unknown): QueryAuthorization {
  const parsed = QueryAuthorization.safeParse(detail);
  if (!parsed.success) {
    throw new oidcErrors.InvalidAuthorizationDetails(describeIssues(parsed.error));
  }
  const terms = parsed.data;
  const term = terms.term ?? DEFAULT_TERM[terms.fetch];
  if (periodSeconds(term) > periodSeconds(LONGEST_TERM)) {
    throw new oidcErrors.InvalidAuthorizationDetails("term: one year at most");
  }
  if (periodSeconds(terms.retention) > periodSeconds(LONGEST_RETENTION)) {
    throw new oidcErrors.InvalidAuthorizationDetails("retention: five years at most");
  }
  return { ...terms, term };
}

/** What the client may have for this gateway: the scope that oidc-provider then filters by. */
export function resourceScope(client: Client): string {
  return [...client.purposes, ...client.products].join(" ");
}
