// The notice: everything that the person is told before deciding, as one canonical JSON document. The page is drawn
// from it and from nothing else, and the token carries its digest, so what was shown can be proved later. It says
// nothing about the person, so equal requests share one notice and it can be served to anybody.
import { z } from "zod";
import { canonicalJson, sha256Base64url } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { type Notice, QueryAuthorization } from "../consent-claims.ts";
import { findPurpose } from "../purposes.ts";
import type { ConsentDb } from "../schema.ts";
import { DATA_CLASSES, type DataClassId, type ProductNotice } from "./data-classes.ts";

/** Raised whenever the page's fixed wording changes what a person agrees to. */
export const NOTICE_VERSION = "2026-11";

const Wording = z.object({ zh: z.string(), en: z.string() });

export const NoticeBody = z.object({
  version: z.string(),
  recipient: z.object({ name: z.string(), contact: z.string() }),
  purpose: Wording.extend({ id: z.string() }),
  products: z.array(Wording.extend({ ref: z.string(), classes: z.array(z.string()) })),
  classes: z.array(Wording.extend({ id: z.string(), sensitive: z.boolean() })),
  terms: QueryAuthorization,
});
export type NoticeBody = z.infer<typeof NoticeBody>;

export interface NoticeInput {
  readonly recipient: { readonly name: string; readonly contact: string };
  readonly purpose: string;
  readonly products: readonly ProductNotice[];
  readonly terms: QueryAuthorization;
}

export function composeNotice(input: NoticeInput): NoticeBody {
  const purpose = findPurpose(input.purpose);
  if (purpose === undefined) throw new WjfError("internal", "notice: unknown purpose");
  const used = new Set<DataClassId>(input.products.flatMap((product) => product.dataClasses));
  return {
    version: NOTICE_VERSION,
    recipient: { name: input.recipient.name, contact: input.recipient.contact },
    purpose: { id: purpose.id, zh: purpose.zh, en: purpose.en },
    products: input.products.map(({ ref, zh, en, dataClasses }) => ({
      ref,
      zh,
      en,
      classes: [...dataClasses],
    })),
    classes: [...used].map((id) => ({ id, ...DATA_CLASSES[id] })),
    terms: input.terms,
  };
}

/** Keeps the notice under its digest, once, and says how to refer to it. */
export async function keepNotice(
  tx: ConsentDb,
  clock: Clock,
  issuer: string,
  body: NoticeBody,
): Promise<Notice> {
  const text = canonicalJson(body);
  const sha256 = sha256Base64url(text);
  await tx
    .insertInto("consent_notice")
    .values({ sha256, body: text, created_at: clock.nowMs() })
    .onConflict((conflict) => conflict.column("sha256").doNothing())
    .execute();
  return { uri: new URL(`/notices/${sha256}`, issuer).href, version: body.version, sha256 };
}

/** The stored bytes, whose SHA-256 is `sha256`; undefined when there is no such notice. */
export async function noticeText(db: ConsentDb, sha256: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("consent_notice")
    .select("body")
    .where("sha256", "=", sha256)
    .executeTakeFirst();
  return row?.body;
}

/** @throws WjfError `internal` when a consent's notice is gone. */
export async function readNotice(db: ConsentDb, sha256: string): Promise<NoticeBody> {
  const text = await noticeText(db, sha256);
  if (text === undefined) throw new WjfError("internal", "notice: not kept");
  return parseJsonWith(NoticeBody, text, "internal", "notice");
}

export function sensitiveClasses(notice: NoticeBody): NoticeBody["classes"] {
  return notice.classes.filter((dataClass) => dataClass.sensitive);
}

/** The products all of whose sensitive classes have been agreed to, each by its own tick. */
export function grantedProducts(notice: NoticeBody, agreed: ReadonlySet<string>): string[] {
  const sensitive = new Set(sensitiveClasses(notice).map(({ id }) => id));
  return notice.products
    .filter(({ classes }) => classes.every((id) => !sensitive.has(id) || agreed.has(id)))
    .map(({ ref }) => ref);
}
