// `wjf node init | enrol | rekey`: a province's own folder and keys, and what a province's operator sends to the authority's, to be put into the roster: public keys and the
// address. The digest is read out over another channel; nothing else says whose keys these are.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { nodePort, partyFolder, readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { PROVINCES } from "../core/provinces.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { RosterProvince } from "../crypto/index.ts";
import { enrolmentDigest } from "../consent/index.ts";
import { enrolNode, hasNodeKeys, renewNodeKeys } from "../province-node/index.ts";
import type { Output } from "./output.ts";

export interface EnrolmentArguments {
  readonly province: string;
  readonly endpoint?: string;
  readonly out: string;
}

interface Place {
  readonly code: ProvinceCode;
  readonly province: (typeof PROVINCES)[number];
  readonly secrets: string;
}

/** @throws WjfError `config-invalid`. */
function placeOf(settings: Settings, province: string): Place {
  const code = parseWith(ProvinceCode, province, "config-invalid", "--province");
  const found = PROVINCES.find((each) => each.code === code);
  if (found === undefined) throw new WjfError("config-invalid", "--province: no such province");
  return { code, province: found, secrets: join(partyFolder(settings.home, code), "secrets") };
}

/** What others give a node, by who does. */
const GIVEN = {
  "the operator's own PKI": ["ca.crt", "tls.crt", "tls.key"],
  "the consent authority, over a safe channel": [
    "group.jwk",
    "subject.key",
    "subject-master.key",
    "trust.jwk",
  ],
} as const;

/** Keys that are there stay. What a node needs from others is named, and what comes next. */
export async function nodeInit(output: Output, options: { province: string }): Promise<void> {
  const { code, secrets } = placeOf(readSettings(), options.province);
  const made = !hasNodeKeys(secrets);
  enrolNode(secrets);
  output.line(
    made
      ? `Made this province's signing and mask keys in ${secrets}`
      : `This province's keys are there already in ${secrets}`,
  );
  const missing = Object.entries(GIVEN).map(([from, names]) => ({
    from,
    files: names.filter((name) => !existsSync(join(secrets, name))),
  }));
  for (const { from, files } of missing) {
    if (files.length > 0)
      output.line(`Missing there, mode 0600, from ${from}: ${files.join(", ")}`);
  }
  const next = [
    `wjf node enrol --province ${code} --endpoint HOST:PORT --out ${code}.json`,
    `wjf node load --province ${code} --from FOLDER`,
    `wjf node serve --province ${code}`,
    `wjf authority province join ${code}.json --digest SHA256`,
  ];
  output.line(
    "Next, the last of them by the authority's operator, with the digest that enrol prints:",
  );
  for (const command of next) output.line(`  ${command}`);
  output.result({
    province: code,
    folder: secrets,
    made,
    missing: missing.flatMap((m) => m.files),
    next,
  });
}

/** @param isRenewal a pair that is to follow the one in force; the running node takes it when the roster does. */
export function nodeEnrol(output: Output, options: EnrolmentArguments, isRenewal: boolean): void {
  const settings = readSettings();
  const { code, province, secrets } = placeOf(settings, options.province);
  const keys = isRenewal ? renewNodeKeys(secrets) : enrolNode(secrets);
  const endpoint = options.endpoint ?? `127.0.0.1:${nodePort(settings, code)}`;
  const enrolment = parseWith(
    RosterProvince,
    { ...province, endpoint, ...keys },
    "config-invalid",
    "enrolment",
  );
  writeSecretFile(options.out, `${JSON.stringify(enrolment, null, 2)}\n`);
  const digest = enrolmentDigest(enrolment);
  output.line(`${options.out}: send it to the authority's operator, and read out its digest:`);
  output.line(digest);
  output.result({ enrolment, digest, out: options.out });
}
