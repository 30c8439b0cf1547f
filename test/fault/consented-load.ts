// Load on a federation whose authority dies: consents of one to three uses, and for each one question more than it allows,
// all at once. Each question is sent again under its own query id until it has an outcome: an answer, or "used up".
import { randomUUID } from "node:crypto";
import type { Bank, GivenConsent, Reply } from "../federation/bank.ts";

export interface Answered {
  readonly queryId: string;
  readonly consentId: string;
  readonly answer: string;
  readonly receipt: string;
}

/** One consent whose questions all have an outcome. */
export interface Settled {
  readonly consentId: string;
  readonly maxUses: number;
  readonly answered: readonly Answered[];
  readonly refused: readonly string[];
}

const PRODUCT = "credit-score@1";
const PHONE = "+8613812345678";
/** Answers that are asked for once more, and have to be the same. */
const ASK_AGAIN = 0.2;

export class ConsentedLoad {
  readonly settled: Settled[] = [];
  /** In the order in which they came. */
  readonly answers: Answered[] = [];
  /** Requests that came to nothing and were sent again. */
  retries = 0;
  readonly #bank: Bank;
  readonly #random: () => number;
  #onAnswer: () => void = () => undefined;
  #stopping = false;
  #workers: Promise<void>[] = [];

  constructor(bank: Bank, random: () => number) {
    this.#bank = bank;
    this.#random = random;
  }

  start(workers: number): void {
    this.#workers = Array.from({ length: workers }, async () => this.#work());
  }

  /** Resolves with true at the next answer, with false when there is none in time. */
  async answersMore(withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#onAnswer = () => resolve(true);
    const late = setTimeout(() => resolve(false), withinMs);
    const answered = await promise;
    clearTimeout(late);
    return answered;
  }

  /** Lets every question that was asked come to its outcome. */
  async finish(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      const maxUses = 1 + Math.floor(this.#random() * 3);
      const consent = await this.#bank.consent({ subject: PHONE, maxUses, products: [PRODUCT] });
      const outcomes = await Promise.all(
        Array.from({ length: maxUses + 1 }, async () => this.#ask(consent, randomUUID())),
      );
      this.settled.push({
        consentId: consent.id,
        maxUses,
        answered: outcomes.filter((outcome) => typeof outcome !== "string"),
        refused: outcomes.filter((outcome) => typeof outcome === "string"),
      });
    }
  }

  /** An answer, or the code of the refusal. */
  async #ask(consent: GivenConsent, queryId: string): Promise<Answered | string> {
    const first = await this.#persist(consent, queryId);
    if (typeof first === "string") return first;
    this.answers.push(first);
    this.#onAnswer();
    if (this.#random() < ASK_AGAIN) {
      const again = await this.#persist(consent, queryId);
      // Node and gateway may refuse by the status list once the consent is used up; another answer they may not give.
      if (typeof again !== "string" && again.answer !== first.answer) {
        throw new Error(`query ${queryId} was answered in two ways`);
      }
    }
    return first;
  }

  async #persist(consent: GivenConsent, queryId: string): Promise<Answered | string> {
    for (;;) {
      const reply = await this.#send(consent, queryId);
      if (reply?.status === 200) {
        const { answer, receipt } = reply;
        return { queryId, consentId: consent.id, answer: JSON.stringify(answer), receipt };
      }
      if (reply !== undefined && reply.status < 500) return reply.code ?? String(reply.status);
      this.retries += 1;
      await new Promise((resolve) => setTimeout(resolve, 100 + this.#random() * 300));
    }
  }

  /** Nothing when the connection broke. */
  async #send(consent: GivenConsent, queryId: string): Promise<Reply | undefined> {
    try {
      const body = { product: PRODUCT, query_id: queryId };
      const response = await this.#bank.send(consent, body);
      const told = (await response.json()) as Reply & { type?: string };
      return {
        ...told,
        status: response.status,
        code: told.code ?? told.type?.split("#")[1] ?? "",
      };
    } catch {
      return undefined;
    }
  }
}
