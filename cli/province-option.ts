// The `--province` of commands of a province's operator: codes, or `all`.
import { join } from "node:path";
import { partyFolder, readSettings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { readFederation } from "../consent/index.ts";

export interface ProvinceOptions {
  readonly province: string;
}

export interface ChosenProvince {
  readonly code: ProvinceCode;
  readonly folder: string;
}

/** `all` needs every province on this machine, as in a sandbox. @throws WjfError `config-invalid`. */
export function chosenProvinces({ province }: ProvinceOptions): readonly ChosenProvince[] {
  const { home } = readSettings();
  const federation = join(partyFolder(home, "authority"), "federation.json");
  const codes =
    province === "all"
      ? readFederation(federation).provinces.map(({ code }) => code)
      : province
          .split(",")
          .map((code) => parseWith(ProvinceCode, code.trim(), "config-invalid", "--province"));
  return codes.map((code) => ({ code, folder: partyFolder(home, code) }));
}
