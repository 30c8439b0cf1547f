// A bank's side of watches, for tests: signs them, sends them, and reads what is in the outbox for it.
import { type GatewayDb, openGatewayDatabase } from "../../gateway/database.ts";
import { WATCHES_PATH } from "../../consent/verifier.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";
import type { Bank, GivenConsent } from "../federation/bank.ts";
import type { Federation } from "../federation/federation.ts";

export interface WatchWish {
  readonly product: string;
  readonly conditions: readonly AskedCheck[];
  readonly body?: Record<string, unknown>;
}

export interface WatchState {
  readonly watch_id: string;
  readonly state: "active" | "paused" | "ended";
  readonly reason?: string;
  readonly evaluated?: string;
  readonly events: number;
  readonly sink: { readonly url: string };
}

export interface UploadResult {
  readonly line?: number;
  readonly watch_id?: string;
  readonly state?: string;
  readonly created?: boolean;
  readonly error?: { readonly code: string; readonly retryable: boolean };
}

export function resultsOf(text: string): UploadResult[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as UploadResult);
}

export const SINK = "https://bank.example/alerts";
export const HOURLY = { every: { unit: "HOUR", value: 1 } };

export class WatchClient implements AsyncDisposable {
  readonly #federation: Federation;
  readonly #bank: Bank;
  #db: GatewayDb | undefined;

  constructor(federation: Federation, bank: Bank) {
    this.#federation = federation;
    this.#bank = bank;
  }

  get url(): string {
    return `${this.#federation.settings.gatewayUrl}${WATCHES_PATH}`;
  }

  async body({ product, conditions, body }: WatchWish): Promise<string> {
    const claims = await this.#bank.sealClaims({ conditions });
    return JSON.stringify({
      product,
      claims,
      conditions: conditions.length,
      schedule: HOURLY,
      sink: { url: SINK },
      ...body,
    });
  }

  async send(consent: GivenConsent, body: string, proof?: string): Promise<Response> {
    const dpop = proof ?? (await this.sign(consent, body));
    return await fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `DPoP ${consent.token}`, dpop },
      body,
    });
  }

  async sign(consent: GivenConsent, body: string): Promise<string> {
    return await this.#bank.proof(consent.token, body, { claims: { htu: this.url } });
  }

  async create(consent: GivenConsent, wish: WatchWish): Promise<WatchState> {
    const response = await this.send(consent, await this.body(wish));
    if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as WatchState;
  }

  /** A line of an upload. */
  async row(consent: GivenConsent, wish: WatchWish, claims = {}): Promise<string> {
    const body = await this.body(wish);
    const proof = await this.#bank.proof(consent.token, body, {
      claims: { htu: this.url, ...claims },
    });
    return JSON.stringify({ token: consent.token, proof, body });
  }

  async upload(rows: readonly string[]): Promise<UploadResult[]> {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: rows.map((row) => `${row}\n`).join(""),
    });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return resultsOf(await response.text());
  }

  /** About watches that are there. */
  async ask(path: string, method = "GET", body?: object): Promise<Response> {
    const url = `${this.url}${path}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const claims = { htm: method, htu: url.replace(/\?.*/, "") };
    const dpop = await this.#bank.proof("", text ?? "", { claims });
    return await fetch(url, {
      method,
      headers: { dpop, ...(text !== undefined && { "content-type": "application/json" }) },
      ...(text !== undefined && { body: text }),
    });
  }

  async read(id: string): Promise<WatchState> {
    return (await (await this.ask(`/${id}`)).json()) as WatchState;
  }

  /** For which moment each of this bank's watches was evaluated last; 0 where never. */
  async evaluated(): Promise<number[]> {
    const db = await this.#database();
    const watches = db.selectFrom("watch").select("evaluated_at");
    const rows = await watches.where("client_id", "=", this.#bank.clientId).execute();
    return rows.map(({ evaluated_at: moment }) => moment ?? 0);
  }

  /** All that is to be delivered to this bank. */
  async told(): Promise<Told[]> {
    const db = await this.#database();
    const rows = await db
      .selectFrom("alert")
      .select(["id", "subject", "type", "data"])
      .where("client_id", "=", this.#bank.clientId)
      .orderBy("seq")
      .execute();
    return rows.map(({ id, subject, type, data }) => ({
      id,
      watch: subject,
      type: type.replace("org.weijifen.watch.", ""),
      data: JSON.parse(data) as Record<string, unknown>,
    }));
  }

  /** The gateway's own, beside it. */
  async #database(): Promise<GatewayDb> {
    return (this.#db ??= await openGatewayDatabase(this.#federation.settings));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db?.destroy();
  }

  /** Resolves when the watch is as wanted. */
  async until(id: string, holds: (watch: WatchState) => boolean): Promise<WatchState> {
    for (;;) {
      const watch = await this.read(id);
      if (holds(watch)) return watch;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

export interface Told {
  readonly id: string;
  readonly watch: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
}
