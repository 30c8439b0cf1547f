// What replies are sealed with, per epoch: this node's masks under the roster, an encryptor of the epoch's public key. Shared by
// everything that answers fan-outs, so that encryptions prepared while idle serve whichever comes next.
import type { EpochView } from "../consent/verifier.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { RosterProvince } from "../crypto/index.ts";
import type { NodeParts } from "./answer.ts";
import { heDurations } from "./metrics.ts";
import type { ReplyKeys } from "./reply.ts";

type KeyringParts = Pick<NodeParts, "province" | "ownKeys" | "scheme" | "view" | "createMasks">;

/** Epochs overlap by two; one more while the oldest is still asked about. */
const EPOCHS_KEPT = 3;

export class ReplyKeyring implements Disposable {
  readonly #parts: KeyringParts;
  readonly #keys = new Map<number, ReplyKeys>();

  constructor(parts: KeyringParts) {
    this.#parts = parts;
  }

  /** @throws WjfError `secret-missing` when this province does not hold the keys that the roster names. */
  of(epoch: EpochView): ReplyKeys {
    const known = this.#keys.get(epoch.roster.epoch);
    if (known !== undefined) return known;
    const { province, ownKeys, scheme, view } = this.#parts;
    const [entry] = entriesOf(province, [epoch]);
    if (entry === undefined) throw new WjfError("epoch-unknown", "a roster without this province");
    const { signingKey, maskKey } = ownKeys.of(entry);
    const keys: ReplyKeys = {
      province,
      signingKey,
      masks: this.#parts.createMasks(epoch, maskKey),
      encryptor: scheme.encryptor(epoch.hePublicKey),
      onSealed: (seconds) => heDurations.observe({ operation: "encrypt" }, seconds),
    };
    this.#keys.set(epoch.roster.epoch, keys);
    this.#forgetOld();
    ownKeys.settle(entriesOf(province, view.inForce()));
    return keys;
  }

  /** Does randomised work ahead while nothing waits. False when enough is ready. */
  prepare(): boolean {
    return [...this.#keys.values()].some(({ encryptor }) => encryptor.prepare());
  }

  #forgetOld(): void {
    const oldest = [...this.#keys.keys()].toSorted((a, b) => b - a).slice(EPOCHS_KEPT);
    for (const number of oldest) {
      this.#keys.get(number)?.encryptor[Symbol.dispose]();
      this.#keys.delete(number);
    }
  }

  [Symbol.dispose](): void {
    for (const { encryptor } of this.#keys.values()) encryptor[Symbol.dispose]();
    this.#keys.clear();
  }
}

function entriesOf(province: ProvinceCode, epochs: readonly EpochView[]): RosterProvince[] {
  return epochs.flatMap(({ roster }) => roster.provinces.filter(({ code }) => code === province));
}
