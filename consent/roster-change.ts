// What the authority's operator changes about the roster: a province joins, leaves, or has another key or address. It is a change of
// the federation document, written whole; a running authority opens an epoch with it (roster-sources.ts), and the log says so.
import { join } from "node:path";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { quorum, type RosterProvince } from "../crypto/index.ts";
import { Federation, readFederation } from "./epochs.ts";

export type RosterChange =
  | { readonly kind: "join" | "change"; readonly province: RosterProvince }
  | { readonly kind: "leave"; readonly code: ProvinceCode };

/** What two operators compare over another channel before a province's keys are believed. */
export function enrolmentDigest(province: RosterProvince): string {
  return sha256Hex(canonicalJson(province));
}

/** @throws WjfError `config-invalid`, naming the rule. */
export function changeRoster(federation: Federation, change: RosterChange): Federation {
  const code = change.kind === "leave" ? change.code : change.province.code;
  const isMember = federation.provinces.some((each) => each.code === code);
  if (change.kind === "join" && isMember) throw refuse(code, "is in the roster; change it instead");
  if (change.kind !== "join" && !isMember) throw refuse(code, "is not in the roster");
  const others = federation.provinces.filter((each) => each.code !== code);
  if (change.kind === "leave") {
    if (others.length < quorum(others.length)) throw refuse(code, "too few would be left to ask");
    return { ...federation, provinces: others };
  }
  const { province } = change;
  const keys = ({ signing_key, mask_key }: RosterProvince) => [signing_key.x, mask_key.x];
  const taken = new Set(others.flatMap(keys));
  if (keys(province).some((x) => taken.has(x))) throw refuse(code, "has another province's key");
  const provinces = [...others, province].toSorted((a, b) => a.code.localeCompare(b.code));
  return parseWith(Federation, { ...federation, provinces }, "config-invalid", "roster");
}

function refuse(code: ProvinceCode, rule: string): WjfError {
  return new WjfError("config-invalid", `province ${code}: ${rule}`);
}

/** @param folder the authority's. @throws WjfError `config-invalid`. */
export function writeRosterChange(folder: string, change: RosterChange): Federation {
  const path = join(folder, "federation.json");
  const changed = changeRoster(readFederation(path), change);
  writeSecretFile(path, `${JSON.stringify(changed, null, 2)}\n`);
  return changed;
}
