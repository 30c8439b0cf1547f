// What one fan-out's questions come to, decided one after another on state that was read together, in the transaction that
// writes it all: the client may ask, the consent lives and is spent, no other answer was ever given under the query id. A
// refusal is decided before anything of its question is counted, so nothing ever has to be undone; its leaf is refusal-log.ts's.
// DESIGN §4, §5.
import {
  type AuthorityFacts,
  type ConditionState,
  decideAnswer,
  type Product,
  requireProduct,
} from "../../catalogue/index.ts";
import { chunks } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import type { Client } from "../clients.ts";
import { type AuthorityTx, consentTables } from "../ledger.ts";
import type { Sequencing } from "../log/index.ts";
import type { LeafDraft } from "../log/leaf.ts";
import { ObjectionMarks } from "../objections.ts";
import { QueryBudget } from "../query-budget.ts";
import { GroupSpending, type SpendableConsent } from "../spend-group.ts";
import type { Refusal } from "./refusal-log.ts";
import type {
  AnsweredItem,
  GroupRelease,
  GroupReleaseParts,
  RefusedItem,
} from "./release-group.ts";
import {
  type EarlierRelease,
  type OtherRelease,
  readClients,
  readEarlier,
  readReleasesAbout,
} from "./release-reads.ts";
import { countsInstitutions, resultAllows } from "./product-terms.ts";
import type { ReleaseTable } from "./schema.ts";
import {
  openAnswer,
  productModel,
  type Question,
  questionDigest,
  sealAnswer,
  type StoredAnswer,
} from "./stored-answer.ts";
import { WatchStates } from "./watch-states.ts";

export type Decided =
  | { readonly answer: string; readonly client: Client; readonly leaf: number; readonly old?: true }
  | { readonly refused: Refusal };

interface Answered extends StoredAnswer {
  /** Of a watch: kept for the next evaluation, never told. */
  readonly states: readonly ConditionState[];
}

interface GroupState {
  readonly clients: ReadonlyMap<string, Client>;
  readonly earlier: Map<string, EarlierRelease>;
  readonly spending: GroupSpending;
  readonly budget: QueryBudget;
  /** Releases about a person, by subject index: only for products that count institutions. */
  readonly others: Map<string, OtherRelease[]>;
  readonly marks: ObjectionMarks;
  readonly watches: WatchStates;
}

/** The state that one group is decided on, inside its transaction. */
export class GroupDecisions {
  readonly #release: GroupRelease;
  readonly #parts: GroupReleaseParts;
  readonly #tx: AuthorityTx;
  readonly #at: Sequencing;
  readonly #state: GroupState;
  readonly #rows: ReleaseTable[] = [];
  readonly leaves: LeafDraft[];

  private constructor(
    [release, tx, at, parts]: Parameters<typeof GroupDecisions.read>,
    state: GroupState,
  ) {
    this.#release = release;
    this.#tx = tx;
    this.#at = at;
    this.#parts = parts;
    this.#state = state;
    this.leaves = [...release.leaves];
  }

  static async read(
    release: GroupRelease,
    tx: AuthorityTx,
    at: Sequencing,
    parts: GroupReleaseParts,
  ): Promise<GroupDecisions> {
    const questions = release.items.flatMap((item) => ("question" in item ? [item.question] : []));
    const consentIds = questions.map(({ consentId }) => consentId);
    const spending = await GroupSpending.read(consentTables(tx), consentIds, at.timeMs);
    const counting = questions.filter(({ product }) =>
      countsInstitutions(parts.catalogue.products.get(product)),
    );
    const subjects = consentIds.flatMap((id) => spending.subjectIndex(id) ?? []);
    const clients = await readClients(
      tx,
      questions.map(({ clientId }) => clientId),
    );
    const budget = await QueryBudget.read(consentTables(tx), spending.consents, at.timeMs, {
      products: parts.catalogue.products,
      log: parts.log,
      limitsOf: (id) => clients.get(id)?.limits,
    });
    return new GroupDecisions([release, tx, at, parts], {
      spending,
      budget,
      marks: await ObjectionMarks.read(tx, subjects),
      watches: await WatchStates.read(
        tx,
        release.items.flatMap((item) => ("watch" in item && item.watch ? [item.watch.id] : [])),
        parts.atRest,
      ),
      clients,
      earlier: await readEarlier(
        tx,
        questions.map(({ queryId }) => queryId),
      ),
      others: await readReleasesAbout(
        tx,
        counting.flatMap(({ consentId }) => spending.subjectIndex(consentId) ?? []),
      ),
    });
  }

  /** Decides one question, after all before it. */
  decide(item: AnsweredItem | RefusedItem): Decided {
    if ("refused" in item) return item;
    const { queryId, product, clientId, consentId } = item.question;
    try {
      return this.#releaseItem(item);
    } catch (error) {
      const known = error instanceof WjfError;
      if (!known) this.#parts.log.error({ err: error }, "a release failed");
      const code = known ? error.code : "internal";
      const parties = { client_id: clientId, consent_id: consentId };
      return { refused: { code, query_id: queryId, product, ...parties } };
    }
  }

  /** @throws WjfError why it is refused; nothing of it has then been counted. */
  #releaseItem(item: AnsweredItem): Decided {
    const { question } = item;
    const product = requireProduct(this.#parts.catalogue, question.product);
    if ((product.rule.type === "watch") !== (item.watch !== undefined)) {
      throw new WjfError("watch-only");
    }
    const client = this.#requireClient(item, product);
    const earlier = this.#findEarlier(question);
    if (earlier !== undefined) return { ...earlier, client };
    const consent = this.#state.spending.requireActive(question.consentId);
    if (consent.clientId !== question.clientId) throw new WjfError("consent-unknown");
    if (!resultAllows(consent.terms.result, product.kind)) {
      throw new WjfError("product-not-consented");
    }
    this.#state.budget.requireLeft(consent, product.ref);
    const { states, ...answer } = this.#answer(item, product, consent);
    this.#state.spending.spend({
      consentId: question.consentId,
      releaseId: question.queryId,
      product: question.product,
    });
    this.#state.budget.count(consent, product.ref);
    if (item.watch !== undefined) this.#state.watches.set(item.watch, question, states);
    return { ...this.#store(question, consent, answer, product), client };
  }

  /** @throws WjfError `client-unknown`, `product-not-consented`, `client-sealed-only`. */
  #requireClient({ question, sealed }: AnsweredItem, product: Product): Client {
    const client = this.#state.clients.get(question.clientId);
    if (client === undefined || client.disabled_at !== null) throw new WjfError("client-unknown");
    if (!client.products.includes(product.ref)) throw new WjfError("product-not-consented");
    if (client.sealed_only && !sealed) throw new WjfError("client-sealed-only");
    return client;
  }

  /** The first release under a query id is final. @throws WjfError `query-conflict` for another question; `consent-*`. */
  #findEarlier(question: Question): { answer: string; leaf: number; old: true } | undefined {
    const row = this.#state.earlier.get(question.queryId);
    if (row === undefined) return undefined;
    this.#state.spending.requireNotWithdrawn(question.consentId);
    const answer = openAnswer(row, question, this.#parts.atRest);
    return { answer, leaf: row.leaf_index, old: true };
  }

  /** @throws WjfError the rule's refusal, or `coverage-incomplete`. */
  #answer(item: AnsweredItem, product: Product, consent: SpendableConsent): Answered {
    const { answered, sums } = item;
    const { of } = this.#release;
    // When no province would evaluate it, what they said is the answer.
    if (answered === 0) throw new WjfError(item.nodeRefusal ?? "coverage-incomplete");
    const decision = decideAnswer(product, sums, answered, this.#facts(item, consent, product));
    if (decision.kind === "refuse") throw new WjfError(decision.code);
    if (!decision.conclusive && answered < of) throw new WjfError("coverage-incomplete");
    const objection = this.#state.marks.of(consent.subjectIndex, product.ref);
    return {
      query_id: item.question.queryId,
      product: product.ref,
      answer: decision.answer,
      coverage: { answered, of },
      model: productModel(product),
      ...(objection && { objection }),
      states: decision.states ?? [],
    };
  }

  /** How the watch stood before, or how many other institutions had an answer about the person: only the authority knows. */
  #facts(
    { watch, question }: AnsweredItem,
    consent: SpendableConsent,
    product: Product,
  ): AuthorityFacts {
    if (watch !== undefined) return { states: this.#state.watches.before(watch, question) };
    if (!countsInstitutions(product)) return {};
    const rows = this.#state.others.get(consent.subjectIndex) ?? [];
    return {
      institutionsWithin: (days) => {
        const since = this.#at.timeMs - days * DAY_MS;
        const recent = rows.filter(
          (row) => row.released_at >= since && row.client_id !== consent.clientId,
        );
        return new Set(recent.map((row) => row.client_id)).size;
      },
    };
  }

  #store(question: Question, consent: SpendableConsent, answer: StoredAnswer, product: Product) {
    const { atRest } = this.#parts;
    const text = JSON.stringify(answer);
    const leaf = this.#at.nextIndex + this.leaves.length;
    this.leaves.push(this.#leaf(question, consent, answer, product));
    const row: ReleaseTable = {
      query_id: question.queryId,
      question: questionDigest(question),
      client_id: question.clientId,
      consent_id: question.consentId,
      answer_sealed: sealAnswer(text, atRest),
      leaf_index: leaf,
      released_at: this.#at.timeMs,
    };
    this.#rows.push(row);
    // Seen by the questions after it in this very group.
    this.#state.earlier.set(question.queryId, row);
    this.#state.others
      .get(consent.subjectIndex)
      ?.push({ client_id: question.clientId, released_at: this.#at.timeMs });
    return { answer: text, leaf };
  }

  #leaf(
    question: Question,
    consent: SpendableConsent,
    answer: StoredAnswer,
    product: Product,
  ): LeafDraft {
    return {
      type: "release",
      query_id: question.queryId,
      consent_id: question.consentId,
      token_id_sha256: question.tokenIdHash,
      client_id: question.clientId,
      purpose: consent.purpose,
      product: answer.product,
      ...(answer.model && { model: answer.model }),
      ...(product.package && { model_package_sha256: product.package.sha256 }),
      answer_kind: answer.answer.kind,
      coverage: answer.coverage,
      descriptor_sha256: this.#release.descriptorDigest,
      epoch: this.#release.epoch,
    };
  }

  async write(): Promise<void> {
    for (const chunk of chunks(this.#rows)) {
      await this.#tx.insertInto("release").values(chunk).execute();
    }
    await this.#state.watches.write(this.#tx);
    await this.#state.spending.settle(consentTables(this.#tx), this.#parts.ledger.recordEvent);
  }
}

const DAY_MS = 86_400_000;
