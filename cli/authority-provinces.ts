// `wjf authority province list | join | change | leave`: see cli/authority-commands.ts. They write the authority's federation document;
// a running authority opens an epoch with it within seconds, and its followers hear of it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  enrolmentDigest,
  type Federation,
  readFederation,
  type RosterChange,
  writeRosterChange,
} from "../consent/index.ts";
import { partyFolder, readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import { RosterProvince } from "../crypto/index.ts";
import { type Output, table } from "./output.ts";

export function provinceList(output: Output): void {
  show(output, readFederation(join(authorityFolder(), "federation.json")));
}

export interface EnrolArguments {
  /** What the province's operator read out. */
  readonly digest?: string;
}

/** @throws WjfError `config-invalid`. */
export function provinceEnrol(
  output: Output,
  file: string,
  kind: "join" | "change",
  { digest }: EnrolArguments,
): void {
  const province = parseJsonWith(RosterProvince, read(file), "config-invalid", file);
  if (digest !== undefined && digest !== enrolmentDigest(province)) {
    throw new WjfError("config-invalid", `${file}: not the enrolment of this digest`);
  }
  change(output, { kind, province });
}

/** @throws WjfError `config-invalid`. */
export function provinceLeave(output: Output, text: string): void {
  change(output, { kind: "leave", code: parseWith(ProvinceCode, text, "config-invalid", "code") });
}

function change(output: Output, wanted: RosterChange): void {
  show(output, writeRosterChange(authorityFolder(), wanted));
  output.line("A running authority opens an epoch with it within seconds.");
}

function show(output: Output, { provinces }: Federation): void {
  const rows = provinces.map((each) => ({
    code: each.code,
    name: each.en,
    endpoint: each.endpoint,
    digest: enrolmentDigest(each),
  }));
  const lines = rows.map(({ code, name, endpoint, digest }) => [code, name, endpoint, digest]);
  output.line(table([["code", "province", "address", "enrolment"], ...lines]));
  output.result({ provinces: rows });
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new WjfError("config-invalid", `${file}: cannot be read`, { cause });
  }
}

function authorityFolder(): string {
  return partyFolder(readSettings().home, "authority");
}
