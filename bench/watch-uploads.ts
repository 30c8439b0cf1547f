// Watches as an institution brings many: rows sealed and signed while they are sent, results read while they come.
import { request } from "node:http";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { sha256Base64url } from "../core/canonical.ts";
import { importPublic, type PublicP256Jwk, sealJson } from "../crypto/index.ts";
import { WATCHES_PATH } from "../consent/verifier.ts";
import type { BenchFederation, SignDpop } from "./bench-federation.ts";

export interface WatchOrder {
  /** Of the consent. */
  readonly token: string;
  readonly product: string;
  readonly conditions: readonly unknown[];
}

export interface WatchTerms {
  readonly schedule: object;
  readonly sink: string;
  /** Of the provinces' group. */
  readonly key: PublicP256Jwk;
}

/** Rows that are signed at once. */
const AT_ONCE = 100;

/** All of them new. @returns their ids, in order. @throws Error when one is refused. */
export async function uploadWatches(
  { settings, sign }: Pick<BenchFederation, "settings" | "sign">,
  orders: readonly WatchOrder[],
  terms: WatchTerms,
): Promise<string[]> {
  const url = new URL(WATCHES_PATH, settings.gatewayUrl);
  const upload = request(url, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
  });
  const told = Promise.withResolvers<string[]>();
  upload.on("error", told.reject);
  upload.on("response", (response) => {
    readResults(response).then(told.resolve, told.reject);
  });
  const sent = pipeline(Readable.from(rows(orders, terms, url.href, sign)), upload);
  const [ids] = await Promise.all([told.promise, sent]);
  if (ids.length !== orders.length)
    throw new Error(`${ids.length} of ${orders.length} are told of`);
  return ids;
}

async function* rows(
  orders: readonly WatchOrder[],
  { schedule, sink, key }: WatchTerms,
  url: string,
  sign: SignDpop,
): AsyncGenerator<string> {
  const { kid } = key;
  const header = { typ: "weijifen-claims+jwe", ...(kid !== undefined && { kid }) };
  const groupKey = importPublic(key);
  for (let at = 0; at < orders.length; at += AT_ONCE) {
    const signed = orders.slice(at, at + AT_ONCE).map(async ({ token, product, conditions }) => {
      const claims = await sealJson({ conditions }, groupKey, header);
      const watch = {
        product,
        claims,
        conditions: conditions.length,
        schedule,
        sink: { url: sink },
      };
      const body = JSON.stringify(watch);
      const hashes = { ath: sha256Base64url(token), "camara:bh": sha256Base64url(body) };
      const proof = await sign({ htm: "POST", htu: url, ...hashes });
      return `${JSON.stringify({ token, proof, body })}\n`;
    });
    yield (await Promise.all(signed)).join("");
  }
}

async function readResults(response: Readable): Promise<string[]> {
  const ids: string[] = [];
  for await (const line of createInterface({ input: response })) {
    const { watch_id: id, created } = JSON.parse(line) as { watch_id?: string; created?: boolean };
    if (id === undefined || created !== true) throw new Error(`no watch: ${line}`);
    ids.push(id);
  }
  return ids;
}
