// What a province's serving store keeps about one number, and what evaluation reads. Never leaves the node.
// The loader builds it from the declarations; the order of `values` is the catalogue's indicator order.

/** One row of a keyed list: its key (8 bytes of tag in hex, a code, or a word) and its integer columns by name. */
export interface ListRow {
  readonly key: string | number;
  readonly [column: string]: string | number;
}

/** Identifiers as full subject tags in hex (32 bytes); null where the operator does not know them. */
export interface IdentityTags {
  readonly msisdn: string;
  readonly cnId: string | null;
  readonly name: string | null;
}

export interface NumberRecord {
  /** Stored integers (natural value · scale), null for unknown, in the order of `catalogue.indicators`. */
  readonly values: ReadonlyArray<number | null>;
  readonly identity: IdentityTags;
  /** By list id, in rank order; a list that could not be computed (its tables never loaded) is absent. */
  readonly lists: Readonly<Record<string, ReadonlyArray<ListRow>>>;
}

/** A phone subject has exactly one number; an ID-number subject all of that person's in the province, at most five. */
export interface PersonRecord {
  readonly numbers: readonly NumberRecord[];
}

export const MAX_NUMBERS_PER_PERSON = 5;
