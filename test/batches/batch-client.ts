// A bank's side of a batch, for tests: signs the rows, sends them, reads state and results.
import {
  BATCHES_PATH,
  BLOCK_ROWS,
  BlockTree,
  blockHash,
  queryIdOfRow,
} from "../../consent/verifier.ts";
import type { Bank } from "../federation/bank.ts";
import type { Federation } from "../federation/federation.ts";

export interface BatchState {
  readonly id: string;
  readonly state: string;
  readonly rows: number;
  readonly done: number;
  readonly answered: number;
  readonly refused: number;
}

export interface ResultLine {
  readonly line: number;
  readonly query_id?: string;
  readonly product?: string;
  readonly answer?: { readonly kind: string; readonly value?: unknown };
  readonly coverage?: { readonly answered: number; readonly of: number };
  readonly receipt?: string;
  readonly sealed?: string;
  readonly error?: { readonly code: string; readonly detail?: string };
}

export interface Bent {
  readonly sealed?: boolean;
  readonly count?: number;
  readonly root?: string;
  readonly claims?: Record<string, unknown>;
}

export type Row = Record<string, unknown> | string;

export class BatchClient {
  readonly #federation: Federation;
  readonly #bank: Bank;

  constructor(federation: Federation, bank: Bank) {
    this.#federation = federation;
    this.#bank = bank;
  }

  get #url(): string {
    return `${this.#federation.settings.gatewayUrl}${BATCHES_PATH}`;
  }

  text(rows: readonly Row[]): string {
    return rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join("");
  }

  async proof(text: string, bent: Bent = {}): Promise<string> {
    const lines = text.split("\n").slice(0, -1);
    const hashes: Buffer[] = [];
    for (let at = 0; at < lines.length; at += BLOCK_ROWS) {
      const block = lines.slice(at, at + BLOCK_ROWS).map((line) => `${line}\n`);
      hashes.push(blockHash(Buffer.from(block.join(""))));
    }
    const rows = {
      count: bent.count ?? lines.length,
      root: bent.root ?? new BlockTree(hashes).root().toString("base64url"),
      sealed: bent.sealed ?? false,
    };
    const claims = { htu: this.#url, "wjf:rows": rows, ...bent.claims };
    return await this.#bank.proof("", "", { claims });
  }

  async send(text: string, proof: string): Promise<Response> {
    return await fetch(this.#url, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", dpop: proof },
      body: text,
    });
  }

  async submit(rows: readonly Row[], bent: Bent = {}): Promise<BatchState> {
    const text = this.text(rows);
    const response = await this.send(text, await this.proof(text, bent));
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as BatchState;
  }

  async get(path: string, method = "GET"): Promise<Response> {
    const url = `${this.#url}/${path}`;
    const dpop = await this.#bank.proof("", "", { claims: { htm: method, htu: url } });
    return await fetch(url, { method, headers: { dpop } });
  }

  async state(id: string): Promise<BatchState> {
    const response = await this.get(id);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as BatchState;
  }

  /** Follows the events until the batch is finished. */
  async finished(id: string): Promise<BatchState> {
    const response = await this.get(`${id}/events`);
    const text = await response.text();
    const last = text.trim().split("\n\n").at(-1) ?? "";
    if (!last.startsWith("event: finished\n")) throw new Error(`the events ended: ${last}`);
    return JSON.parse(last.slice(last.indexOf("data: ") + 6)) as BatchState;
  }

  async results(id: string): Promise<ResultLine[]> {
    const response = await this.get(`${id}/results`);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    const text = await response.text();
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as ResultLine);
  }

  derivedId(batchId: string, line: number): string {
    return queryIdOfRow(batchId, line);
  }
}
