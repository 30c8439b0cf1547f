// Salted commitments: what the log says about a person is SHA-256(salt ‖ canonical payload), with a 256-bit salt of its
// own each time. Payload and salt are in a table beside the log; without the salt the commitment tells nothing, not even
// to one who guesses the payload, so destroying the row erases the person from a log that still verifies.
import type { Kysely, Transaction } from "kysely";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Random } from "../../core/random.ts";
import type { LogSchema } from "./schema.ts";

const SALT_BYTES = 32;

export interface Opening {
  /** Canonical JSON. */
  readonly payload: string;
  readonly salt: Buffer;
}

export function commitmentOf({ payload, salt }: Opening): string {
  return sha256Hex(Buffer.concat([salt, Buffer.from(payload)]));
}

export async function keep(
  tx: Transaction<LogSchema>,
  payload: unknown,
  random: Random,
  nowMs: number,
): Promise<string> {
  const opening = { payload: canonicalJson(payload), salt: random.bytes(SALT_BYTES) };
  const commitment = commitmentOf(opening);
  await tx
    .insertInto("log_payload")
    .values({ commitment, ...opening, created_ms: nowMs })
    .execute();
  return commitment;
}

export async function reveal(
  db: Kysely<LogSchema>,
  commitment: string,
): Promise<Opening | undefined> {
  return db
    .selectFrom("log_payload")
    .select(["payload", "salt"])
    .where("commitment", "=", commitment)
    .executeTakeFirst();
}

export async function destroy(
  tx: Transaction<LogSchema>,
  commitments: readonly string[],
): Promise<void> {
  await tx
    .deleteFrom("log_payload")
    .where("commitment", "in", [...commitments])
    .execute();
}
