// How much of an epoch is used up: a file for each kind of use and each process in the epoch's own folder, a byte in it for each use.
// So it is one count for all replicas, a restart forgets nothing of it, and it goes with the epoch. No two processes write
// one file: appending is not atomic on a network file system. docs/decisions/084-rotation.md.
import { randomUUID } from "node:crypto";
import { appendFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Fan-outs that were admitted, whether they were released or not; answers and refusals that were released. */
export type Use = "fan-outs" | "releases";

export class EpochUse {
  readonly #folder: string;
  readonly #writer = randomUUID();

  /** @param folder of the epochs, each under its number. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Counted when it returns. Of an epoch that was ended meanwhile nothing is counted any more. */
  add(epoch: number, use: Use, uses: number): void {
    const path = join(this.#folder, String(epoch), `${use}.${this.#writer}`);
    unlessGone(() => appendFileSync(path, Buffer.alloc(uses), { mode: 0o600 }), undefined);
  }

  /** Of the one kind or the other, whichever is more. */
  most(epoch: number): number {
    return Math.max(this.of(epoch, "fan-outs"), this.of(epoch, "releases"));
  }

  /** By all processes, ever. */
  of(epoch: number, use: Use): number {
    const place = join(this.#folder, String(epoch));
    const names = unlessGone(() => readdirSync(place), []);
    return names
      .filter((name) => name.startsWith(`${use}.`))
      .map((name) => statSync(join(place, name), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, uses) => sum + uses, 0);
  }
}

function unlessGone<T>(work: () => T, gone: T): T {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return gone;
    throw error;
  }
}
