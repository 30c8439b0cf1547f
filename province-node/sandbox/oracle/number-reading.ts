// One number as the oracle reads it: every indicator of the library by id, from the raw rows, each computed once.
// From the catalogue it takes parameters only (bounds, lengths of lists), never an expression.
import type { Catalogue } from "../../../catalogue/index.ts";
import { IDENTITY } from "./indicators/identity.ts";
import type { Readings } from "./indicators/indicator-value.ts";
import { LOYALTY } from "./indicators/loyalty.ts";
import { OFFLINE } from "./indicators/offline.ts";
import { ASSETS, ONLINE, VALUES } from "./indicators/online.ts";
import { SOCIAL } from "./indicators/social.ts";
import { SPENDING } from "./indicators/spending.ts";
import type { NumberHistory } from "./number-history.ts";

/** By indicator id. */
export const READINGS: Readings = {
  ...IDENTITY,
  ...LOYALTY,
  ...SPENDING,
  ...ASSETS,
  ...ONLINE,
  ...OFFLINE,
  ...VALUES,
  ...SOCIAL,
};

export type Parameters = Pick<Catalogue, "indicatorById" | "lists" | "models" | "products">;

export class NumberReading {
  readonly history: NumberHistory;
  readonly parameters: Parameters;
  readonly #known = new Map<string, unknown>();

  constructor(history: NumberHistory, parameters: Parameters) {
    this.history = history;
    this.parameters = parameters;
  }

  /** In natural units, within the indicator's bounds; null for "not known". */
  value(id: string): number | null {
    return this.once(id, () => this.#read(id));
  }

  /** What was computed under this name before, or now. */
  once<T>(name: string, compute: () => T): T {
    if (!this.#known.has(name)) this.#known.set(name, compute());
    return this.#known.get(name) as T;
  }

  #read(id: string): number | null {
    const reading = READINGS[id];
    const bounds = this.parameters.indicatorById.get(id);
    if (reading === undefined || bounds === undefined) {
      throw new TypeError(`the oracle does not know the indicator ${id}`);
    }
    const value = reading(this.history, (other) => this.value(other));
    return value === null ? null : Math.min(bounds.max, Math.max(bounds.min, value));
  }

  /** How many rows of a list a province keeps about a number. */
  longest(list: string): number {
    return this.parameters.lists.find(({ id }) => id === list)?.top ?? 0;
  }
}
