// `wjf keys renew-tls`: new certificates from the development CA, for parties that run or do not. A running party takes its own
// over within seconds (proto/tls-files.ts). In production the operators' own PKI writes the same files.
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { partyFolder, readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { readFederation } from "../consent/index.ts";
import { provinceRole, type Role } from "../proto/index.ts";
import { issueCertificate, openDevelopmentCa } from "./dev-ca.ts";
import type { Output } from "./output.ts";

type Party = Parameters<typeof partyFolder>[1];

export async function keysRenewTls(output: Output, options: { party?: string }): Promise<void> {
  const { home, production } = readSettings();
  if (production)
    throw new WjfError("config-invalid", "the development CA is refused in production");
  const parties = options.party === undefined ? everybody(home) : [parseParty(options.party)];
  const ca = await openDevelopmentCa(join(home, "ca"));
  for (const party of parties) {
    const secrets = join(partyFolder(home, party), "secrets");
    await issueCertificate(ca, roleOf(party), secrets, systemClock.nowMs());
  }
  output.line(`New certificates for ${parties.length} parties; those that run take them over.`);
  output.result({ parties });
}

function everybody(home: string): Party[] {
  const path = join(partyFolder(home, "authority"), "federation.json");
  return ["authority", "gateway", ...readFederation(path).provinces.map(({ code }) => code)];
}

function roleOf(party: Party): Role {
  if (party === "authority") return "authority";
  return party === "gateway" ? "gateway" : provinceRole(party);
}

function parseParty(text: string): Party {
  if (text === "authority" || text === "gateway") return text;
  return parseWith(ProvinceCode, text, "config-invalid", "--party");
}
