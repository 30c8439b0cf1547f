// The rules that a log's leaves must keep among themselves, read in order: time does not go back, consents change state
// only as DESIGN §5 allows, and every release has an earlier approval that allowed this institution, this product, this
// purpose, this time, and once more. It is a second reading of the rules, kept apart from the code that applies them.
import { type Period, periodSeconds } from "../consent-claims.ts";
import type { Report } from "./findings.ts";
import type { ConsentLeaf, ConsentTermsLeaf, Leaf, ReleaseLeaf } from "./leaf.ts";
import { TrainingCheck } from "./training-check.ts";

type State = "requested" | "active" | "paused" | "denied" | "revoked" | "expired" | "consumed";

/** From which states an event may come, and where it leads. */
const TRANSITIONS: Record<ConsentLeaf["event"], { from: readonly State[]; to: State }> = {
  requested: { from: [], to: "requested" },
  approved: { from: ["requested"], to: "active" },
  denied: { from: ["requested"], to: "denied" },
  paused: { from: ["active"], to: "paused" },
  resumed: { from: ["paused"], to: "active" },
  revoked: { from: ["active", "paused"], to: "revoked" },
  // A request that nobody decided lapses too.
  expired: { from: ["requested", "active", "paused"], to: "expired" },
  consumed: { from: ["active"], to: "consumed" },
};

interface Consent {
  state: State;
  terms: ConsentTermsLeaf;
  uses: number;
  /** Times of the latest releases, as many as the frequency allows in one period. */
  recentMs: number[];
}

export class HistoryCheck {
  readonly #report: Report;
  readonly #consents = new Map<string, Consent>();
  readonly #releasedAt = new Map<string, number>();
  readonly #training: TrainingCheck;
  #lastTime = "";

  constructor(report: Report) {
    this.#report = report;
    this.#training = new TrainingCheck(report);
  }

  observe(index: number, leaf: Leaf): void {
    // RFC 3339 in UTC with milliseconds sorts as text.
    if (leaf.time < this.#lastTime) {
      this.#report("time-reversed", index, `${leaf.time} after ${this.#lastTime}`);
    } else this.#lastTime = leaf.time;
    if (leaf.type === "consent") this.#consentEvent(index, leaf);
    else if (leaf.type === "release") this.#release(index, leaf);
    else if (leaf.type === "training") this.#training.observe(index, leaf);
  }

  #consentEvent(index: number, leaf: ConsentLeaf): void {
    const consent = this.#consents.get(leaf.consent_id);
    const { from, to } = TRANSITIONS[leaf.event];
    const legal = consent === undefined ? leaf.event === "requested" : from.includes(consent.state);
    if (!legal) {
      const state = consent?.state ?? "unknown";
      this.#report("consent-transition", index, `${leaf.event} while ${state}`);
      return;
    }
    if (consent === undefined) {
      if (leaf.event !== "requested") return;
      this.#consents.set(leaf.consent_id, { state: to, terms: leaf, uses: 0, recentMs: [] });
      return;
    }
    if (leaf.client_id !== consent.terms.client_id) {
      this.#report("consent-widened", index, "another institution than was asked for");
      return;
    }
    if (leaf.event === "approved") {
      const wider = widened(consent.terms, leaf);
      if (wider !== undefined)
        this.#report("consent-widened", index, `${wider} wider than asked for`);
      consent.terms = leaf;
    }
    consent.state = to;
  }

  #release(index: number, leaf: ReleaseLeaf): void {
    const first = this.#releasedAt.get(leaf.query_id);
    if (first !== undefined) {
      this.#report("release-repeated", index, `this query was released in leaf ${first}`);
    } else this.#releasedAt.set(leaf.query_id, index);
    const consent = this.#consents.get(leaf.consent_id);
    if (consent === undefined) {
      this.#report("release-without-consent", index, "no such consent before it");
      return;
    }
    if (consent.state !== "active") {
      this.#report("release-without-consent", index, `the consent is ${consent.state}`);
      return;
    }
    const outside = outsideTerms(consent.terms, leaf);
    if (outside !== undefined) this.#report("release-outside-consent", index, outside);
    if (leaf.time < consent.terms.not_before || leaf.time >= consent.terms.expires) {
      this.#report("release-outside-term", index, "before the consent's term, or after it");
    }
    consent.uses += 1;
    if (consent.uses > consent.terms.max_uses) {
      this.#report("release-over-count", index, `use ${consent.uses} of ${consent.terms.max_uses}`);
    }
    const { frequency } = consent.terms;
    if (frequency !== undefined && !withinFrequency(consent, frequency, Date.parse(leaf.time))) {
      const { unit, value } = frequency;
      this.#report("release-over-count", index, `more than ${value} in one ${unit}`);
    }
  }
}

/** At most `value` releases in any one unit of time. */
function withinFrequency(consent: Consent, { unit, value }: Period, timeMs: number): boolean {
  const spanMs = periodSeconds({ unit, value: 1 }) * 1000;
  const limiting = consent.recentMs.length < value ? undefined : consent.recentMs[0];
  consent.recentMs.push(timeMs);
  if (consent.recentMs.length > value) consent.recentMs.shift();
  return limiting === undefined || timeMs - limiting >= spanMs;
}

function widened(asked: ConsentTermsLeaf, granted: ConsentTermsLeaf): string | undefined {
  if (granted.purpose !== asked.purpose) return "purpose";
  if (!granted.products.every((product) => asked.products.includes(product))) return "products";
  if (granted.max_uses > asked.max_uses) return "max_uses";
  if (granted.result !== asked.result) return "result";
  return undefined;
}

function outsideTerms(terms: ConsentTermsLeaf, release: ReleaseLeaf): string | undefined {
  if (release.client_id !== terms.client_id) return "another institution";
  if (release.purpose !== terms.purpose) return "another purpose";
  if (!terms.products.includes(release.product)) return "a product that is not in it";
  // consent-claims: a boolean consent never lets a score out.
  const kind = release.answer_kind;
  if (terms.result === "boolean" && kind !== "yes_no" && kind !== "alerts") {
    return "more than yes or no";
  }
  if (terms.result === "score" && kind === "tags") return "tags, where a score was allowed";
  if (terms.result === "tags" && kind === "score") return "a score, where tags were allowed";
  return undefined;
}
