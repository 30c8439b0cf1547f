// The loaded catalogue: everything that the declarations under data/ say, linked and checked. Immutable.
import type { Indicator, KeyedList, View } from "./indicator.ts";
import type { SubScore } from "./link-model.ts";
import type { Model } from "./model.ts";
import type { Product } from "./product.ts";
import type { TagClass } from "./tag.ts";
import type { Verification } from "./verification.ts";
import type { Watch } from "./watch.ts";

export interface Catalogue {
  /** Models are bound to it; it rises when an indicator changes its meaning. */
  readonly version: number;
  /** In the order of a record's values. */
  readonly indicators: readonly Indicator[];
  readonly indicatorById: ReadonlyMap<string, Indicator>;
  /** Indicator id → its place in a record's values. */
  readonly positions: ReadonlyMap<string, number>;
  readonly views: readonly View[];
  readonly lists: readonly KeyedList[];
  readonly verifications: ReadonlyMap<string, Verification>;
  /** Dimensions that models share, by id. */
  readonly subScores: ReadonlyMap<string, SubScore>;
  readonly models: ReadonlyMap<string, Model>;
  readonly tagClasses: ReadonlyMap<string, TagClass>;
  /** By `id@version`. */
  readonly products: ReadonlyMap<string, Product>;
  readonly watches: ReadonlyMap<string, Watch>;
  /** Reason code → its texts. */
  readonly reasons: ReadonlyMap<string, { readonly zh: string; readonly en: string }>;
  /** SHA-256 over the declarations, so that two parties can see whether they hold the same catalogue. */
  readonly digest: string;
}
