// What there is of each key epoch on the authority's disk: a folder by its number with the signed roster and the homomorphic key
// pair. epochs.ts decides when one opens and ends.
import { type KeyObject, randomUUID } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { importPublic, isOfTheseParameters, openRoster, type Roster } from "../crypto/index.ts";

export interface Epoch {
  readonly number: number;
  readonly roster: Roster;
  readonly rosterDigest: Buffer;
  readonly signedRoster: string;
  readonly publicKey: Buffer;
  readonly secretKeyPath: string;
  readonly tokenKeys: ReadonlyMap<string, KeyObject>;
  readonly receiptKeys: ReadonlyMap<string, KeyObject>;
  readonly gatewayKey: KeyObject;
}

export function epochNumbers(folder: string): number[] {
  return readdirSync(folder)
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** @throws WjfError `epoch-unknown`, `config-invalid`. */
export async function loadEpoch(
  folder: string,
  number: number,
  rootPublicKey: KeyObject,
): Promise<Epoch> {
  const place = join(folder, String(number));
  const signedRoster = readRoster(folder, number);
  const { roster, digest } = await openRoster(signedRoster, rootPublicKey);
  const publicKey = readSecretFile(join(place, "public.key"));
  if (sha256Hex(publicKey) !== roster.he.public_key_sha256) {
    throw new WjfError("config-invalid", `${place}/public.key: not the roster's`);
  }
  return {
    number: roster.epoch,
    roster,
    rosterDigest: digest,
    signedRoster,
    publicKey,
    secretKeyPath: join(place, "secret.key"),
    tokenKeys: new Map(roster.token_keys.map((jwk) => [jwk.kid, importPublic(jwk)])),
    receiptKeys: new Map(roster.provinces.map((p) => [p.code, importPublic(p.signing_key)])),
    gatewayKey: importPublic(roster.gateway_key),
  };
}

/** The roster of the newest epoch in the folder, if there is one. */
export async function newestRoster(
  folder: string,
  rootPublicKey: KeyObject,
): Promise<Roster | undefined> {
  if (!existsSync(folder)) return undefined;
  const numbers = epochNumbers(folder);
  if (numbers.length === 0) return undefined;
  return (await loadEpoch(folder, Math.max(...numbers), rootPublicKey)).roster;
}

/** Epochs of a version before this one, after an update: nobody can encrypt or decrypt under their keys any more. */
export async function ofOtherParameters(
  folder: string,
  rootPublicKey: KeyObject,
): Promise<readonly number[]> {
  const numbers: number[] = [];
  for (const number of epochNumbers(folder)) {
    try {
      const isUsable = await isOfTheseParameters(readRoster(folder, number), rootPublicKey);
      if (!isUsable) numbers.push(number);
    } catch (error) {
      if (hasEpoch(folder, number)) throw error;
    }
  }
  return numbers;
}

/** Another replica may drop one while this one reads it. */
export function hasEpoch(folder: string, number: number): boolean {
  return existsSync(join(folder, String(number)));
}

/** The secret key goes with the epoch, whole or not at all: what is left by a crash on the way is none any more. */
export function dropEpoch(folder: string, number: number): void {
  const going = join(folder, `new-${randomUUID()}`);
  try {
    renameSync(join(folder, String(number)), going);
  } catch (error) {
    if (!hasEpoch(folder, number)) return;
    throw error;
  }
  rmSync(going, { recursive: true, force: true, maxRetries: 3 });
}

function readRoster(folder: string, number: number): string {
  return readSecretFile(join(folder, String(number), "roster.jws")).toString("utf8");
}

/** An epoch being made or dropped takes seconds; what is left of one whose process has died goes, secret key and all. */
const UNFINISHED_MS = 600_000;

export function dropUnfinished(folder: string, clock: Clock): void {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith("new-"))) {
    const place = join(folder, name);
    if (statSync(place).mtimeMs < clock.nowMs() - UNFINISHED_MS) {
      rmSync(place, { recursive: true, force: true });
    }
  }
}
