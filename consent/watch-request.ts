// A watch as its institution signed it: the request that created it stands for every evaluation that its own schedule names.
// Gateway and authority read it through here, at the door and again each time; what "now" is comes from the authority's
// manifest, never from this old signature. docs/decisions/071-watches.md.
import { z } from "zod";
import { MAX_CONDITIONS } from "../catalogue/watch-state.ts";
import { sha256Hex, uuid8 } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef, type QueryId } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import type { RequestChecker } from "./batch/request-checker.ts";
import { type ConsentClaims, Period, periodSeconds } from "./consent-claims.ts";
import { CLOCK_SKEW_S, QueryBody, signedPart, type SignedRequest } from "./signed-request.ts";

export const WATCHES_PATH = "/v1/watches";

const LONGEST_S = 90 * 86_400;

/** The body of `POST /v1/watches`. */
export const WatchBody = z.strictObject({
  /** Without one it comes from the proof. */
  watch_id: z.uuid().optional(),
  product: ProductRef,
  /** The conditions and their thresholds, sealed to the provinces' group key. */
  claims: QueryBody.shape.claims.unwrap(),
  /** How many conditions the claims hold; what they are is sealed. */
  conditions: z.int().min(1).max(MAX_CONDITIONS),
  schedule: z.strictObject({
    every: Period.refine((period) => periodSeconds(period) <= LONGEST_S, "at most 90 days"),
    /** First evaluation; the moment of signing unless told. */
    starts: z.iso.datetime().optional(),
  }),
  expires: z.iso.datetime().optional(),
  /** Ends after so many changes told. */
  max_events: z.int().min(1).max(1_000_000).optional(),
  sink: z.strictObject({ url: z.url().max(2048) }),
  /** Changes as JWEs to the institution's registered key. */
  sealed: z.boolean().default(false),
});
export type WatchBody = z.infer<typeof WatchBody>;

/** Times in seconds since the epoch. */
export interface StandingWatch {
  readonly id: string;
  readonly consent: ConsentClaims;
  readonly tokenHash: string;
  readonly claimsHash: string;
  readonly body: WatchBody;
  readonly everyS: number;
  readonly startsS: number;
  readonly expiresS: number | undefined;
  readonly proofId: string;
}

/**
 * Signatures, times, audience, scope and form; replay, live status and whether it is due are the caller's.
 * @throws WjfError `token-*`, `dpop-*`, `request-malformed`, `product-unknown`, `product-not-consented`.
 */
export function verifyWatch(request: SignedRequest, checker: RequestChecker): StandingWatch {
  const { rules } = checker;
  const { consent, proofId, issuedAt } = checker.check(request);
  const text = Buffer.from(request.body).toString("utf8");
  const body = parseJsonWith(WatchBody, text, "request-malformed", "body");
  if (!rules.isProduct(body.product)) throw new WjfError("product-unknown");
  const [{ actions, fetch }] = consent.authorization_details;
  if (!(actions as readonly string[]).includes(body.product)) {
    throw new WjfError("product-not-consented");
  }
  if (fetch !== "PERIODIC") throw new WjfError("product-not-consented", "fetch: not PERIODIC");
  return {
    id: body.watch_id ?? uuid8(`weijifen/watch\n${signedPart(request.proof)}`),
    consent,
    tokenHash: sha256Hex(request.token),
    claimsHash: sha256Hex(body.claims),
    body,
    everyS: periodSeconds(body.schedule.every),
    startsS: secondsOf(body.schedule.starts) ?? Math.floor(issuedAt),
    expiresS: secondsOf(body.expires),
    proofId,
  };
}

export function secondsOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Math.floor(Date.parse(time) / 1000);
}

/** The newest moment of the schedule that is not in the future; undefined before the first. */
export function latestDue(
  { startsS, everyS }: Pick<StandingWatch, "startsS" | "everyS">,
  nowS: number,
): number | undefined {
  if (nowS < startsS) return undefined;
  return startsS + Math.floor((nowS - startsS) / everyS) * everyS;
}

/**
 * The gateway says which moment it asks for; the institution has signed which there are.
 * @throws WjfError `watch-not-due`, `watch-expired`.
 */
export function requireDue(watch: StandingWatch, due: number, nowS: number): void {
  const { startsS, everyS, expiresS } = watch;
  const named = due >= startsS && (due - startsS) % everyS === 0;
  if (!named || due > nowS + CLOCK_SKEW_S) throw new WjfError("watch-not-due");
  if (expiresS !== undefined && due >= expiresS) throw new WjfError("watch-expired");
}

/** One query id for one watch and moment, whoever derives it: so each is released once, ever. */
export function evaluationIdOf(clientId: string, watchId: string, due: number): QueryId {
  return uuid8(`weijifen/watch-evaluation\n${clientId}\n${watchId}\n${due}`) as QueryId;
}
