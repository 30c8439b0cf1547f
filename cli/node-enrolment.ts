// `wjf node enrol | rekey`: what a province's operator sends to the authority's, to be put into the roster: public keys and the
// address. The digest is read out over another channel; nothing else says whose keys these are.
import { join } from "node:path";
import { nodePort, partyFolder, readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { PROVINCES } from "../core/provinces.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { RosterProvince } from "../crypto/index.ts";
import { enrolmentDigest } from "../consent/index.ts";
import { enrolNode, renewNodeKeys } from "../province-node/index.ts";
import type { Output } from "./output.ts";

export interface EnrolmentArguments {
  readonly province: string;
  readonly endpoint?: string;
  readonly out: string;
}

/** @param isRenewal a pair that is to follow the one in force; the running node takes it when the roster does. */
export function nodeEnrol(output: Output, options: EnrolmentArguments, isRenewal: boolean): void {
  const settings = readSettings();
  const code = parseWith(ProvinceCode, options.province, "config-invalid", "--province");
  const province = PROVINCES.find((each) => each.code === code);
  if (province === undefined) throw new WjfError("config-invalid", "--province: no such province");
  const secrets = join(partyFolder(settings.home, code), "secrets");
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
