// What a group of releases is decided on, read in a few statements: clients, earlier releases under the same query ids, and
// other institutions' releases about the same people. Reads only.
import type { Selectable } from "kysely";
import { chunks } from "../../core/database.ts";
import { type Client, findClient } from "../clients.ts";
import { type AuthorityDb, type AuthorityTx, consentTables } from "../ledger.ts";
import type { ReleaseTable } from "./schema.ts";

export type EarlierRelease = Pick<
  Selectable<ReleaseTable>,
  "query_id" | "question" | "answer_sealed" | "leaf_index"
>;

export async function readClients(
  db: AuthorityTx | AuthorityDb,
  ids: readonly string[],
): Promise<Map<string, Client>> {
  const clients = new Map<string, Client>();
  for (const id of new Set(ids)) {
    const client = await findClient(consentTables(db), id);
    if (client !== undefined) clients.set(id, client);
  }
  return clients;
}

/** By query id. */
export async function readEarlier(
  db: AuthorityTx | AuthorityDb,
  queryIds: readonly string[],
): Promise<Map<string, EarlierRelease>> {
  const earlier = new Map<string, EarlierRelease>();
  for (const chunk of chunks(queryIds)) {
    const rows = await db
      .selectFrom("release")
      .select(["query_id", "question", "answer_sealed", "leaf_index"])
      .where("query_id", "in", chunk)
      .execute();
    for (const row of rows) earlier.set(row.query_id, row);
  }
  return earlier;
}

export interface OtherRelease {
  readonly client_id: string;
  readonly released_at: number;
}

/** Every release about these people, by subject index; an empty list where there was none. */
export async function readReleasesAbout(
  tx: AuthorityTx,
  subjectIndices: readonly string[],
): Promise<Map<string, OtherRelease[]>> {
  const about = new Map<string, OtherRelease[]>();
  for (const subjectIndex of new Set(subjectIndices)) {
    const rows = await tx
      .selectFrom("release")
      .innerJoin("consent", "consent.id", "release.consent_id")
      .select(["release.client_id", "release.released_at"])
      .where("consent.subject_index", "=", subjectIndex)
      .execute();
    about.set(subjectIndex, rows);
  }
  return about;
}
