// Model packages in a running federation: an owner's key beside the test bank's own, and the road from a draft to every
// party's folder, as `wjf model sign | admit | install` and `wjf node models` take it.
import { join } from "node:path";
import {
  installPackage,
  LiveCatalogue,
  type OpenedPackage,
  openAdmitted,
  packageFolder,
  signPackage,
} from "../../catalogue/index.ts";
import { admitModel } from "../../consent/model-admission.ts";
import { rotateClient } from "../../consent/clients.ts";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder } from "../../core/config.ts";
import { publicP256 } from "../../crypto/index.ts";
import { decide, type ModelDecision } from "../../province-node/models/decisions.ts";
import type { Bank } from "../federation/bank.ts";
import type { Federation } from "../federation/federation.ts";
import { type Signer, signer } from "./package-fixture.ts";

export class ModelOwner {
  readonly #federation: Federation;
  readonly #bank: Bank;
  readonly #key: Signer;

  private constructor(federation: Federation, bank: Bank, key: Signer) {
    this.#federation = federation;
    this.#bank = bank;
    this.#key = key;
  }

  /** Registers one more signing key for the bank, to sign packages with. */
  static async register(federation: Federation, bank: Bank): Promise<ModelOwner> {
    const key = signer();
    const public_ = ({ kty, crv, x, y }: ReturnType<typeof publicP256>) => ({ kty, crv, x, y });
    const keys = [
      { ...public_(publicP256(key.jwk)), kid: "model-key", use: "sig" as const },
      { ...public_(publicP256(bank.encryptionKey)), kid: "enc-2", use: "enc" as const },
    ];
    const { db } = federation.authority.service.options;
    await rotateClient(db, systemClock, bank.clientId, { keys }, { overlap: true });
    return new ModelOwner(federation, bank, key);
  }

  /** Signs, has it admitted, and installs it at every party. @throws WjfError `model-invalid`. */
  async submit(draft: { owner: string; model: { owner: string } }): Promise<OpenedPackage> {
    const { settings, provinces, authority } = this.#federation;
    const owned = { ...draft, owner: this.#bank.clientId };
    owned.model = { ...draft.model, owner: this.#bank.clientId };
    const folder = partyFolder(settings.home, "authority");
    const { rootKey, rootPublicKey } = readAuthoritySecrets(join(folder, "secrets"));
    const catalogue = new LiveCatalogue({
      folder: packageFolder(folder),
      authorityKey: rootPublicKey,
      clock: systemClock,
      onFault: ({ error }) => {
        throw error;
      },
    });
    const { db } = authority.service.options;
    const parts = { db, catalogue, rootKey, clock: systemClock };
    const { file } = await admitModel(signPackage(owned, this.#key.private), parts);
    for (const party of ["authority", "gateway", ...provinces.map(({ code }) => code)] as const) {
      installPackage(packageFolder(partyFolder(settings.home, party)), file, rootPublicKey);
    }
    return openAdmitted(file, rootPublicKey);
  }

  decide(opened: OpenedPackage, state: ModelDecision["state"], codes: readonly string[]): void {
    const { settings, provinces } = this.#federation;
    for (const { code } of provinces.filter((province) => codes.includes(province.code))) {
      decide(partyFolder(settings.home, code), opened, state, systemClock);
    }
  }
}
