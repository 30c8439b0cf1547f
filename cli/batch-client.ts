// The institution's side of a batch over HTTP: signs the rows' root with its key, streams the file, follows the progress,
// streams the results. Every request is proven with the same key (docs/decisions/052-batches.md). Follows through restarts
// of the gateway: what was taken is durable.
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { SignJWT } from "jose";
import { z } from "zod";
import { nowSeconds, systemClock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { importPrivate, publicP256 } from "../crypto/index.ts";
import { BATCHES_PATH, blockHash, BlockTree, splitBlocks } from "../consent/index.ts";
import type { InstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";

export const BatchState = z.looseObject({
  id: z.uuid(),
  state: z.enum(["receiving", "running", "finished"]),
  rows: z.int(),
  done: z.int(),
  answered: z.int(),
  refused: z.int(),
});
export type BatchState = z.infer<typeof BatchState>;

export interface HashedFile {
  readonly path: string;
  readonly rows: number;
  readonly root: Buffer;
}

/** Reads the file once, block by block. @throws WjfError `data-invalid` when it is empty. */
export async function hashFile(path: string): Promise<HashedFile> {
  const hashes: Buffer[] = [];
  let rows = 0;
  for await (const block of splitBlocks(createReadStream(path))) {
    hashes.push(blockHash(block.lines));
    rows += block.rows;
  }
  if (rows === 0) throw new WjfError("data-invalid", `${path}: no rows`);
  return { path, rows, root: new BlockTree(hashes).root() };
}

type SigningKeys = Pick<InstitutionKeys, "signing">;

const RETRIES = 20;
const RETRY_MS = 500;

export class BatchClient {
  readonly #origin: string;
  readonly #keys: SigningKeys;

  constructor(gatewayUrl: string, keys: SigningKeys) {
    this.#origin = gatewayUrl;
    this.#keys = keys;
  }

  /** @throws WjfError the gateway's code. */
  async send(file: HashedFile, sealed: boolean): Promise<BatchState> {
    const url = new URL(BATCHES_PATH, this.#origin).href;
    const rows = { count: file.rows, root: file.root.toString("base64url"), sealed };
    const dpop = await signProof(this.#keys.signing, { htm: "POST", htu: url, "wjf:rows": rows });
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", dpop },
      body: Readable.toWeb(createReadStream(file.path)),
      duplex: "half",
    });
    const text = await response.text();
    if (!response.ok) throw refusal(text);
    return parseJsonWith(BatchState, text, "internal", "batch");
  }

  /** Every state that the gateway tells of, until the batch is finished. */
  async *follow(id: string): AsyncGenerator<BatchState> {
    for (let failures = 0; ; failures++) {
      try {
        for await (const state of this.#events(id)) {
          failures = 0;
          yield state;
          if (state.state === "finished") return;
        }
      } catch (error) {
        if (failures >= RETRIES || isFinal(error)) throw error;
      }
      await delay(RETRY_MS);
    }
  }

  /** The results as they come. */
  async results(id: string): Promise<Readable> {
    const response = await this.#get(`${id}/results`);
    if (response.body === null) throw new WjfError("internal", "no results");
    return Readable.fromWeb(response.body);
  }

  async *#events(id: string): AsyncGenerator<BatchState> {
    const response = await this.#get(`${id}/events`);
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = /^data: (.+)$/m.exec(event)?.[1];
        if (data !== undefined) yield parseJsonWith(BatchState, data, "internal", "event");
      }
    }
  }

  async #get(path: string): Promise<Response> {
    const url = new URL(`${BATCHES_PATH}/${path}`, this.#origin).href;
    const dpop = await signProof(this.#keys.signing, { htm: "GET", htu: url });
    const response = await fetch(url, { headers: { dpop } });
    if (!response.ok) throw refusal(await response.text());
    return response;
  }
}

/** A DPoP proof by an institution's own key. */
export async function signProof(
  signing: InstitutionKeys["signing"],
  claims: Record<string, unknown>,
): Promise<string> {
  const { kty, crv, x, y } = publicP256(signing);
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: { kty, crv, x, y } })
    .setJti(crypto.randomUUID())
    .setIssuedAt(nowSeconds(systemClock))
    .sign(importPrivate(signing));
}

/** Refused, rather than not reached. */
function isFinal(error: unknown): boolean {
  return error instanceof WjfError && error.code !== "federation-unavailable";
}
