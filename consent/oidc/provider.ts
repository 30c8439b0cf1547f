// The authority as an OpenID provider: oidc-provider, configured down to CIBA (poll), private_key_jwt, DPoP-bound JWT
// access tokens (RFC 9068), resource indicators and rich authorization requests. Everything it is told goes through its
// documented hooks; docs/decisions/030-openid-provider.md says which and why. It keeps no state of its own.
import type { EventEmitter } from "node:events";
import {
  type Configuration,
  errors as oidcErrors,
  type KoaContextWithOIDC,
  Provider,
} from "oidc-provider";
import { nowSeconds } from "../../core/clock.ts";
import { sealSubject } from "../../crypto/subject.ts";
import { findClient } from "../clients.ts";
import {
  AUTHORIZATION_TYPE,
  ConsentClaims,
  LONGEST_TERM,
  periodSeconds,
} from "../consent-claims.ts";
import type { ConsentOptions } from "../consent-options.ts";
import { type Consent, readConsent } from "../consent-record.ts";
import { adapterFactory, CIBA_GRANT } from "./adapter.ts";
import { accountOf, type Backchannel } from "./backchannel.ts";
import { parseDetail, resourceScope } from "./request-profile.ts";
import { providerJwks, type SigningKeySet } from "./signing-keys.ts";

/** The provider's paths that are served; it has others, and they stay unreachable. */
export const OIDC_ROUTES = {
  discovery: "/.well-known/openid-configuration",
  metadata: "/.well-known/oauth-authorization-server",
  jwks: "/oidc/jwks",
  token: "/oidc/token",
  backchannel: "/oidc/backchannel",
} as const;

const REQUEST_TTL_S = 600;
const LONGEST_REQUEST_TTL_S = 3600;
const ASSERTION_LIFETIME_S = 600;

export interface ProviderParts {
  readonly options: ConsentOptions;
  readonly backchannel: Backchannel;
  readonly statusUri: (list: number) => string;
}

export function createProvider(parts: ProviderParts, keys: SigningKeySet): Provider {
  const { options } = parts;
  const provider = new Provider(options.issuer, {
    adapter: adapterFactory(options),
    jwks: providerJwks(keys),
    ...protocol(options),
    ...limits(options),
    features: features(parts),
    findAccount: async (ctx, id) =>
      (await accountOf(ctx, id, parts.backchannel, options))
        ? { accountId: id, claims: () => ({ sub: id }) }
        : undefined,
    formats: {
      customizers: {
        jwt: (ctx, token, jwt) => writeClaims(parts, ctx, token, jwt),
      },
    },
  });
  // consent/oidc/http.ts says in the forwarding headers where it was sent to, whatever the request said.
  provider.proxy = true;
  provider.use((ctx, next) => next().then(() => correctDiscovery(ctx as KoaContextWithOIDC)));
  // A connection that breaks off. Without a listener Koa would print it.
  (provider as EventEmitter).on("error", (error: unknown) =>
    options.log.debug({ err: error }, "openid request broke off"),
  );
  provider.on("server_error", (_ctx, error) =>
    options.log.error({ err: error }, "openid provider failed"),
  );
  return provider;
}

function protocol(options: ConsentOptions): Configuration {
  return {
    routes: {
      jwks: OIDC_ROUTES.jwks,
      token: OIDC_ROUTES.token,
      backchannel_authentication: OIDC_ROUTES.backchannel,
    },
    cookies: { keys: [options.atRest.index("oidc.cookies", "key")] },
    scopes: ["openid"],
    claims: { openid: ["sub"] },
    responseTypes: [],
    clientAuthMethods: ["private_key_jwt"],
    clientDefaults: { grant_types: [CIBA_GRANT], response_types: [] },
    enabledJWA: {
      clientAuthSigningAlgValues: ["ES256"],
      idTokenSigningAlgValues: ["ES256"],
      dPoPSigningAlgValues: ["ES256"],
    },
    // draft-ietf-oauth-rfc7523bis §4: the issuer is the one audience, so an assertion is of no use elsewhere.
    assertJwtClientAuthClaimsAndHeader: (_ctx, claims) => {
      const audience = [claims["aud"]].flat();
      if (audience.length !== 1 || audience[0] !== options.issuer) {
        throw new oidcErrors.InvalidClientAuth("aud must be the issuer identifier alone");
      }
      if (Number(claims["exp"]) > nowSeconds(options.clock) + ASSERTION_LIFETIME_S) {
        throw new oidcErrors.InvalidClientAuth("exp is too far ahead");
      }
    },
    discovery: {
      // What is true beyond what the library says of itself; what is not, `correctDiscovery` takes out.
      status_list_aggregation_endpoint: new URL("/status-lists", options.issuer).href,
    },
  };
}

/** Of an authorization endpoint, which is not served (RFC 8414 §2: required only for grants that use one). */
const OF_AUTHORIZATION = [
  "authorization_endpoint",
  "authorization_response_iss_parameter_supported",
  "claims_parameter_supported",
  "code_challenge_methods_supported",
  "response_modes_supported",
] as const;

/** The library writes these whatever it is configured to; its `discovery` setting only adds. */
function correctDiscovery(ctx: KoaContextWithOIDC): void {
  if (ctx.oidc?.route !== "discovery") return;
  const document = ctx.body as Record<string, unknown>;
  for (const name of OF_AUTHORIZATION) delete document[name];
  document["backchannel_user_code_parameter_supported"] = false;
}

function limits(options: ConsentOptions): Configuration {
  const requestTtl = options.requestTtlSeconds ?? REQUEST_TTL_S;
  return {
    ttl: {
      BackchannelAuthenticationRequest: (_ctx, request) => {
        const asked = Number(request.params?.["requested_expiry"] ?? requestTtl);
        return Math.min(asked, LONGEST_REQUEST_TTL_S);
      },
      Grant: periodSeconds(LONGEST_TERM),
      IdToken: 300,
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? 1,
    },
  };
}

function features({ options, backchannel }: ProviderParts): NonNullable<Configuration["features"]> {
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    dPoP: { enabled: true },
    ciba: {
      enabled: true,
      deliveryModes: ["poll"],
      validateRequestContext: (ctx, context) => backchannel.validate(ctx, context),
      // CIBA §7.1: shown to the person, so only what cannot be mistaken for our own words.
      validateBindingMessage: async (_ctx, message) => {
        if (message === undefined || /^[A-Za-z0-9._+/!?#-]{1,20}$/.test(message)) return;
        throw new oidcErrors.InvalidBindingMessage("1 to 20 letters, digits and ._+/!?#-");
      },
      processLoginHint: (ctx, hint) => backchannel.processLoginHint(ctx, hint ?? ""),
      processLoginHintToken: async () => {
        throw new oidcErrors.InvalidRequest("login_hint_token is not supported");
      },
      verifyUserCode: async (_ctx, _account, userCode) => {
        if (userCode === undefined) return;
        throw new oidcErrors.InvalidRequest("user_code is not supported");
      },
      triggerAuthenticationDevice: async (ctx, request) => {
        await backchannel.trigger(ctx, request.jti, request.expiration);
        Object.assign(ctx.body as object, { interval: options.pollIntervalSeconds ?? 5 });
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params?.["resource"] as string) ?? options.audiences[0],
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => resourceServer(ctx, resource, options),
    },
    richAuthorizationRequests: {
      enabled: true,
      types: { [AUTHORIZATION_TYPE]: { validate: (_ctx, detail) => void parseDetail(detail) } },
      authorizationDetailsForGrantSource: () => undefined,
      authorizationDetailsForAccessToken: (ctx, _token, source) => {
        if (ctx.oidc.params?.["authorization_details"] !== undefined) {
          throw new oidcErrors.InvalidAuthorizationDetails("only the whole consent can be had");
        }
        return source?.rar;
      },
    },
  };
}

/** RFC 8707. The token lasts as long as the consent; the status list says when it ends sooner. */
async function resourceServer(
  ctx: KoaContextWithOIDC,
  resource: string,
  { audiences, db, atRest, clock }: ConsentOptions,
) {
  if (!audiences.includes(resource)) throw new oidcErrors.InvalidTarget("no such gateway");
  const client = await findClient(db, ctx.oidc.client?.clientId ?? "");
  if (client === undefined) throw new oidcErrors.InvalidTarget();
  const grantId = ctx.oidc.entities.Grant?.jti;
  const consent = grantId === undefined ? undefined : await readConsent(db, atRest, grantId);
  const remaining = Math.floor(((consent?.expiresAt ?? 0) - clock.nowMs()) / 1000);
  return {
    audience: resource,
    scope: resourceScope(client),
    accessTokenFormat: "jwt" as const,
    ...(consent !== undefined && { accessTokenTTL: Math.max(1, remaining) }),
    jwt: { sign: { alg: "ES256" as const } },
  };
}

/** formats.customizers.jwt: everything that DESIGN §5 adds to RFC 9068, from the consent as it is now. */
async function writeClaims(
  { options, statusUri }: ProviderParts,
  ctx: KoaContextWithOIDC,
  token: { readonly accountId?: string | undefined; readonly jti?: string | undefined } & object,
  jwt: { payload: Record<string, unknown> },
): Promise<void> {
  const consent = await readConsent(options.db, options.atRest, token.accountId ?? "");
  const { status, subjectTag, evidenceHash, decidedAt } = consent;
  if (!status || !subjectTag || evidenceHash === null || decidedAt === null) {
    throw new oidcErrors.InvalidGrant("the consent is not in force");
  }
  const { subjectMasterKey, epoch, random } = options;
  const jti = String(jwt.payload["jti"]);
  Object.assign(jwt.payload, {
    sub: sealSubject(subjectMasterKey, epoch(), subjectTag, jti, random),
    nbf: jwt.payload["iat"],
    scope: [consent.purpose, ...consent.terms.actions].join(" "),
    authorization_details: [consent.terms],
    ...disclosed(consent),
    collection: {
      method: "sms-code",
      time: new Date(decidedAt).toISOString(),
      evidence_hash: evidenceHash,
    },
    status: { status_list: { idx: status.index, uri: statusUri(status.list) } },
  });
  // What is issued must be what every verifier reads; anything else is a bug of ours, and must not get out.
  if (!ConsentClaims.safeParse(jwt.payload).success) {
    options.log.error({ route: ctx.oidc.route }, "a token did not fit its own schema");
    throw new Error("token claims do not fit consent-claims.ts");
  }
}

function disclosed({ recipient, notice, id }: Consent): Record<string, unknown> {
  return { recipient, notice, grant_id: id };
}
