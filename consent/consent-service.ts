// The consent side of the authority, put together: lifecycle, approvals, OpenID provider, status lists. It opens no
// port (consent/oidc/http.ts does) and holds no state that is not in the database.
import type { Provider } from "oidc-provider";
import { Approvals } from "./approval/approvals.ts";
import { SmsChallenges } from "./approval/sms-challenge.ts";
import { PersonSessions } from "./approval/person-session.ts";
import type { ConsentOptions } from "./consent-options.ts";
import { OfferCodes } from "./credit-life/offer-codes.ts";
import { ConsentLifecycle } from "./lifecycle.ts";
import { forgetExpired } from "./oidc/adapter.ts";
import { Backchannel, outcomeThrough } from "./oidc/backchannel.ts";
import { createProvider } from "./oidc/provider.ts";
import { currentSigningKey, type SigningKeySet } from "./oidc/signing-keys.ts";
import { StatusIssuer } from "./status-slots.ts";

export class ConsentService {
  readonly options: ConsentOptions;
  readonly lifecycle: ConsentLifecycle;
  readonly approvals: Approvals;
  readonly sessions: PersonSessions;
  readonly offerCodes: OfferCodes;
  readonly statusLists: StatusIssuer;
  readonly #challenges: SmsChallenges;
  readonly #backchannel: Backchannel;
  #keys: SigningKeySet;
  #provider: Provider;

  constructor(options: ConsentOptions) {
    this.options = options;
    this.#keys = options.signingKeys;
    this.lifecycle = new ConsentLifecycle(options);
    this.#challenges = new SmsChallenges(options);
    this.statusLists = new StatusIssuer({
      ...options,
      ...(options.statusTtlSeconds !== undefined && { ttlSeconds: options.statusTtlSeconds }),
      signingKey: () => currentSigningKey(this.#keys),
    });
    const { lifecycle } = this;
    const outcome = outcomeThrough(() => this.#provider);
    this.approvals = new Approvals({
      ...options,
      lifecycle,
      challenges: this.#challenges,
      outcome,
    });
    this.sessions = new PersonSessions({ ...options, challenges: this.#challenges });
    this.offerCodes = new OfferCodes({ ...options, lifecycle });
    const { approvals, offerCodes } = this;
    this.#backchannel = new Backchannel({ options, lifecycle, approvals, offerCodes, outcome });
    this.#provider = this.#newProvider();
  }

  /** The provider of the moment: `useKeys` replaces it. */
  get provider(): Provider {
    return this.#provider;
  }

  get signingKeys(): SigningKeySet {
    return this.#keys;
  }

  /** Signs with another set from now on; requests in flight finish with the old one. */
  useKeys(keys: SigningKeySet): void {
    this.#keys = keys;
    this.#provider = this.#newProvider();
  }

  /**
   * What time does: ends consents whose term is over, forgets phones, codes and requests that no longer count. Call it
   * every minute or so; nothing depends on when, because every check looks at the time itself.
   */
  async housekeeping(): Promise<void> {
    const { transact, db, clock } = this.options;
    while ((await transact((tx) => this.lifecycle.expireDue(tx))) > 0);
    await transact((tx) => this.approvals.forgetLapsed(tx));
    await this.#challenges.forgetOld(db);
    await this.offerCodes.forgetOld(db);
    await forgetExpired(db, clock);
  }

  #newProvider(): Provider {
    const parts = {
      options: this.options,
      backchannel: this.#backchannel,
      statusUri: (list: number) => this.statusLists.uri(list),
    };
    return createProvider(parts, this.#keys);
  }
}
