// What was answered about a person, from the rows that the releases themselves wrote: no answer leaves the authority
// without one, so nothing can be missing here. A person is whoever receives codes at the phone that their consents were
// asked over (`contact_index`). Reads only.
import type { Catalogue } from "../../catalogue/index.ts";
import type { AtRest } from "../at-rest.ts";
import type { AuthorityDb } from "../ledger.ts";
import { readAnswer, type StoredAnswer } from "../release/stored-answer.ts";

export interface PersonQuery {
  readonly queryId: string;
  readonly consentId: string;
  readonly institution: string;
  readonly contact: string;
  /** `dpv:…` */
  readonly purpose: string;
  readonly product: string;
  /** Milliseconds since the epoch. */
  readonly releasedAt: number;
  /** Its leaf in the audit log. */
  readonly leafIndex: number;
  readonly kind: StoredAnswer["answer"]["kind"] | undefined;
  /** Undefined once it is destroyed. */
  readonly stored: StoredAnswer | undefined;
}

export interface PersonQueryParts {
  readonly db: AuthorityDb;
  readonly atRest: AtRest;
  readonly catalogue: Pick<Catalogue, "products" | "models" | "reasons">;
}

export interface QueryFilter {
  readonly contactIndex: string;
  readonly queryId?: string;
  readonly limit?: number;
}

/** The newest first. */
export async function readPersonQueries(
  { db, atRest, catalogue }: PersonQueryParts,
  { contactIndex, queryId, limit }: QueryFilter,
): Promise<PersonQuery[]> {
  let query = db
    .selectFrom("release")
    .innerJoin("consent", "consent.id", "release.consent_id")
    .innerJoin("client", "client.client_id", "release.client_id")
    // A release and its use are written together.
    .innerJoin("consent_use", (join) =>
      join
        .onRef("consent_use.consent_id", "=", "release.consent_id")
        .onRef("consent_use.release_id", "=", "release.query_id"),
    )
    .select([
      "release.query_id",
      "release.consent_id",
      "release.released_at",
      "release.leaf_index",
      "release.answer_sealed",
      "consent.recipient",
      "consent.purpose",
      "client.contact",
      "consent_use.product",
    ])
    .where("consent.contact_index", "=", contactIndex);
  if (queryId !== undefined) query = query.where("release.query_id", "=", queryId);
  if (limit !== undefined) query = query.limit(limit);
  const rows = await query.orderBy("release.leaf_index", "desc").execute();
  return rows.map((row) => {
    const stored = readAnswer(row.answer_sealed, atRest);
    return {
      queryId: row.query_id,
      consentId: row.consent_id,
      institution: row.recipient,
      contact: row.contact,
      purpose: row.purpose,
      product: row.product,
      releasedAt: row.released_at,
      leafIndex: row.leaf_index,
      kind: stored?.answer.kind ?? catalogue.products.get(row.product)?.kind,
      stored,
    };
  });
}
