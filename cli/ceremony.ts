// The key ceremony of a development federation: every party's keys, certificates, and the federation document that the
// authority makes rosters from. In production each party makes its own keys, and only public halves travel; here one
// process deals them all, into folders that are separate all the same.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { partyFolder, nodePort, type Settings } from "../core/config.ts";
import { PROVINCES, type Province } from "../core/provinces.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { generateP256, publicP256, type RosterProvince } from "../crypto/index.ts";
import { createAuthorityKeys, type Federation } from "../consent/index.ts";
import { createGatewayKeys } from "../gateway/index.ts";
import { provinceRole } from "../proto/index.ts";
import { createNodeKeys, type DealtKeys, storeDealtKeys } from "../province-node/index.ts";
import { createDevelopmentCa, issueCertificate } from "./dev-ca.ts";

export interface CeremonyOptions {
  readonly settings: Settings;
  readonly provinces?: readonly Province[];
  /** Address at which a province's node is reached; default: this machine. */
  readonly endpoint?: (province: Province) => string;
  readonly nowMs: number;
}

export function isCeremonyDone(home: string): boolean {
  return existsSync(join(partyFolder(home, "authority"), "federation.json"));
}

/** Makes everything under WJF_HOME. Existing keys are never overwritten: the caller checks `isCeremonyDone` first. */
export async function performCeremony(options: CeremonyOptions): Promise<Federation> {
  const { settings, nowMs, provinces = PROVINCES } = options;
  const { home } = settings;
  const secrets = (party: Parameters<typeof partyFolder>[1]): string =>
    join(partyFolder(home, party), "secrets");
  const ca = await createDevelopmentCa(join(home, "ca"), nowMs);
  await issueCertificate(ca, "authority", secrets("authority"), nowMs);
  await issueCertificate(ca, "gateway", secrets("gateway"), nowMs);
  const authority = await createAuthorityKeys(secrets("authority"));
  const gatewayKey = createGatewayKeys(secrets("gateway"), authority.root);
  const groupKey = generateP256("enc");
  const dealt: DealtKeys = {
    subjectKey: readSecretFile(join(secrets("authority"), "subject.key")),
    subjectMasterKey: readSecretFile(join(secrets("authority"), "subject-master.key")),
    groupKey,
    trustAnchor: authority.root,
  };
  const roster: RosterProvince[] = [];
  for (const province of provinces) {
    await issueCertificate(ca, provinceRole(province.code), secrets(province.code), nowMs);
    const keys = createNodeKeys(secrets(province.code));
    storeDealtKeys(secrets(province.code), dealt);
    const endpoint =
      options.endpoint?.(province) ?? `127.0.0.1:${nodePort(settings, province.code)}`;
    roster.push({ ...province, endpoint, ...keys });
  }
  const federation = {
    issuer: settings.authorityUrl,
    audience: settings.gatewayUrl,
    token_keys: [...authority.tokenKeys],
    gateway_key: gatewayKey,
    admission_key: authority.admission,
    group_key: { ...publicP256(groupKey), kid: groupKey.kid ?? "group" },
    provinces: roster,
  };
  // Last: its presence says that the ceremony is complete.
  const path = join(partyFolder(home, "authority"), "federation.json");
  writeSecretFile(path, `${JSON.stringify(federation, null, 2)}\n`);
  return federation;
}
