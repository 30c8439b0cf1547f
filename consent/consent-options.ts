// What the authority's consent side is made from: storage, keys, the log's hooks, and the outside world as interfaces.
// Wiring only; consent/consent-service.ts builds on it.
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import type { FindProduct } from "./approval/data-classes.ts";
import type { AtRest } from "./at-rest.ts";
import type { RecordEvent } from "./consent-event.ts";
import type { PhoneDirectory } from "./oidc/login-hint.ts";
import type { SigningKeySet } from "./oidc/signing-keys.ts";
import type { ConsentDb, TimeOf, Transact } from "./schema.ts";
import type { SmsProvider } from "./sms.ts";

export interface ConsentOptions {
  readonly db: ConsentDb;
  /** Every change of a consent goes through this, and its event through `recordEvent`, in one transaction. */
  readonly transact: Transact;
  readonly recordEvent: RecordEvent;
  /** The time of a transaction that `transact` has opened. */
  readonly timeOf: TimeOf;
  readonly atRest: AtRest;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The authority's own public address, without a path. */
  readonly issuer: string;
  /** The gateways that tokens can be for (RFC 8707 resources); the first is the default. */
  readonly audiences: readonly [string, ...string[]];
  /** K_subject: identifiers become tags under it. */
  readonly subjectKey: Buffer;
  /** Seals tags into tokens, for the epoch of the moment. */
  readonly subjectMasterKey: Buffer;
  readonly epoch: () => number;
  readonly signingKeys: SigningKeySet;
  readonly sms: SmsProvider;
  readonly directory?: PhoneDirectory;
  readonly products: FindProduct;
  /** How long a status list counts, seconds. Default 60. */
  readonly statusTtlSeconds?: number;
  /** CIBA polling interval told to institutions, seconds. Default 5, the standard's own. */
  readonly pollIntervalSeconds?: number;
  /** How long a request waits for the person unless the institution asks for less, seconds. Default 600. */
  readonly requestTtlSeconds?: number;
  /** Behind a TLS terminator: believe its X-Forwarded-* headers. */
  readonly trustProxy?: boolean;
}
