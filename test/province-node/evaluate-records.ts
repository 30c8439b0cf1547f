// Serving records made by hand, in natural units, for the tests of evaluation.
import {
  loadCatalogue,
  type NumberRecord,
  normaliseKey,
  type Product,
  type Verification,
} from "../../catalogue/index.ts";
import { subjectTag, type TagKind } from "../../crypto/subject.ts";

export const catalogue = loadCatalogue();
export const SUBJECT_KEY = Buffer.alloc(32, 9);
export const ENVIRONMENT = { subjectKey: SUBJECT_KEY };

export function tag(kind: TagKind, value: string): string {
  return subjectTag(SUBJECT_KEY, kind, value).toString("hex");
}

/** A list's key for a claimed value. */
export function key(kind: "msisdn" | "app" | "domain" | "keyword", value: string): string {
  return tag(kind, normaliseKey(kind, value)).slice(0, 16);
}

export const OWN = { msisdn: "+8613800138000", cn_id_number: "11010519491231002X", name: "王伟" };

/** As many of a list's rows as it keeps, so that it may have been cut: other keys than any claimed, the least row last. */
export function fullList(
  id: string,
  last: Readonly<Record<string, number>>,
): NonNullable<NumberRecord["lists"][string]> {
  const list = catalogue.lists.find((each) => each.id === id);
  if (list === undefined) throw new Error(`no list ${id}`);
  return Array.from({ length: list.top }, (_, i) => ({
    ...last,
    key: list.kind === "code" ? i : `other ${i}`,
    [list.order]: (last[list.order] as number) + list.top - 1 - i,
  }));
}

interface Fields {
  /** Indicator id → natural value. */
  readonly values?: Readonly<Record<string, number>>;
  readonly lists?: NumberRecord["lists"];
  readonly identity?: Partial<NumberRecord["identity"]>;
}

export function record({ values = {}, lists = {}, identity = {} }: Fields): NumberRecord {
  for (const id of Object.keys(values)) {
    if (!catalogue.positions.has(id)) throw new Error(`no indicator ${id}`);
  }
  return {
    values: catalogue.indicators.map(({ id, scale }) => {
      const natural = values[id];
      return natural === undefined ? null : Math.round(natural * scale);
    }),
    identity: {
      msisdn: tag("msisdn", OWN.msisdn),
      cnId: tag("cn-id", OWN.cn_id_number),
      name: tag("name", OWN.name),
      ...identity,
    },
    lists,
  };
}

export function productOf(ref: string): Product {
  const product = catalogue.products.get(ref);
  if (product === undefined) throw new Error(`no ${ref}`);
  return product;
}

export function verificationOf(id: string): Verification {
  const verification = catalogue.verifications.get(id);
  if (verification === undefined) throw new Error(`no ${id}`);
  return verification;
}
