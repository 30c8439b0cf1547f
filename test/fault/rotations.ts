// Everything of a running federation that is renewed, renewed as an operator would: by writing files beside the running parties.
// Each resolves when the gateway, the last to hear of it, goes by the new.
import { join } from "node:path";
import { connect } from "node:tls";
import { X509Certificate } from "node:crypto";
import { issueCertificate, openDevelopmentCa } from "../../cli/dev-ca.ts";
import { readFederation } from "../../consent/epochs.ts";
import { type RosterChange, writeRosterChange } from "../../consent/roster-change.ts";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { rotateTokenKeys } from "../../consent/token-keys.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder, type Settings } from "../../core/config.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import type { RosterProvince } from "../../crypto/index.ts";
import { provinceRole, readTlsIdentity, type Role, roleName } from "../../proto/index.ts";
import { renewNodeKeys } from "../../province-node/index.ts";

const LOOK_MS = 50;

export interface KnownFederation {
  readonly epoch: number;
  readonly provinces: readonly string[];
}

export class Rotations {
  readonly #settings: Settings;
  readonly #gatewayUrl: string;
  readonly #enrolments: ReadonlyMap<string, RosterProvince>;

  /** @param enrolments of every province, also of those that are not in the roster. */
  constructor(settings: Settings, gatewayUrl: string, enrolments: readonly RosterProvince[]) {
    this.#settings = settings;
    this.#gatewayUrl = gatewayUrl;
    this.#enrolments = new Map(enrolments.map((each) => [each.code, each]));
  }

  /** What the gateway goes by. */
  async known(): Promise<KnownFederation> {
    const response = await fetch(`${this.#gatewayUrl}/v1/federation`);
    const { epoch, provinces } = (await response.json()) as {
      epoch: number;
      provinces: { code: string }[];
    };
    return { epoch, provinces: provinces.map(({ code }) => code) };
  }

  async until(holds: (known: KnownFederation) => boolean): Promise<void> {
    while (!holds(await this.known())) await new Promise((again) => setTimeout(again, LOOK_MS));
  }

  /** The epoch's roster then has the key that is to sign after it, so that the next rotation may come. */
  async tokenKeys(): Promise<void> {
    const folder = this.#authority();
    const { rootPublicKey } = readAuthoritySecrets(join(folder, "secrets"));
    const { epoch } = await this.known();
    await rotateTokenKeys(folder, rootPublicKey, systemClock);
    await this.until((known) => known.epoch > epoch);
  }

  async join(code: ProvinceCode): Promise<void> {
    this.#change({ kind: "join", province: this.#enrolment(code) });
    await this.until(({ provinces }) => provinces.includes(code));
  }

  async leave(code: ProvinceCode): Promise<void> {
    this.#change({ kind: "leave", code });
    await this.until(({ provinces }) => !provinces.includes(code));
  }

  /** Both keys of a province. Once for each: the pair before is kept while an epoch in force names it. */
  async rekey(code: ProvinceCode): Promise<void> {
    const { epoch } = await this.known();
    const keys = renewNodeKeys(this.#secrets(code));
    this.#change({ kind: "change", province: { ...this.#enrolment(code), ...keys } });
    await this.until((known) => known.epoch > epoch);
  }

  /** New certificates for everybody; servers show theirs to who connects from then on. */
  async certificates(): Promise<void> {
    const { home, authorityGrpcPort } = this.#settings;
    const ca = await openDevelopmentCa(join(home, "ca"));
    await issueCertificate(ca, "gateway", this.#secrets("gateway"), Date.now());
    await issueCertificate(ca, "authority", this.#secrets("authority"), Date.now());
    const servers: [Role, Parameters<typeof partyFolder>[1], number][] = [
      ["authority", "authority", authorityGrpcPort],
    ];
    for (const { code, endpoint } of this.#enrolments.values()) {
      await issueCertificate(ca, provinceRole(code), this.#secrets(code), Date.now());
      servers.push([provinceRole(code), code, Number(endpoint.split(":")[1])]);
    }
    await Promise.all(servers.map(async (server) => this.#untilShown(...server)));
  }

  async #untilShown(role: Role, party: Parameters<typeof partyFolder>[1], port: number) {
    const certificate = new X509Certificate(readSecretFile(join(this.#secrets(party), "tls.crt")));
    while ((await this.#shownSerial(role, port)) !== certificate.serialNumber) {
      await new Promise((again) => setTimeout(again, LOOK_MS));
    }
  }

  async #shownSerial(role: Role, port: number): Promise<string | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const { ca, certificate: cert, key } = readTlsIdentity(this.#secrets("gateway"));
    const socket = connect({ port, ca, cert, key, servername: roleName(role) }, () =>
      resolve(socket.getPeerX509Certificate()?.serialNumber),
    );
    socket.on("error", reject);
    return await promise.finally(() => socket.destroy());
  }

  #change(change: RosterChange): void {
    writeRosterChange(this.#authority(), change);
  }

  #enrolment(code: string): RosterProvince {
    const path = join(this.#authority(), "federation.json");
    const present = readFederation(path).provinces.find((each) => each.code === code);
    const found = present ?? this.#enrolments.get(code);
    if (found === undefined) throw new Error(`no enrolment of ${code}`);
    return found;
  }

  #authority(): string {
    return partyFolder(this.#settings.home, "authority");
  }

  #secrets(party: Parameters<typeof partyFolder>[1]): string {
    return join(partyFolder(this.#settings.home, party), "secrets");
  }
}
