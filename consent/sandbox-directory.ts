// SIMULATED: which phone a person with an ID number uses. In production this is the carriers' real-name registry behind
// the same interface; here it is a file of the sandbox, keyed by subject tag. Refused in production.
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { normaliseCnId, subjectTag } from "../crypto/index.ts";
import type { PhoneDirectory } from "./oidc/login-hint.ts";

const Directory = z.record(z.string(), z.string());

export interface DirectoryEntry {
  readonly cnId: string;
  readonly phone: string;
}

export function writeSandboxDirectory(
  path: string,
  entries: readonly DirectoryEntry[],
  subjectKey: Buffer,
): void {
  const phones = entries.map(({ cnId, phone }) => [keyOf(cnId, subjectKey), phone]);
  writeSecretFile(path, JSON.stringify(Object.fromEntries(phones)));
}

/** @throws WjfError `config-invalid` in production. */
export function sandboxDirectory(
  path: string,
  subjectKey: Buffer,
  production: boolean,
): PhoneDirectory {
  if (production) throw new WjfError("config-invalid", "the sandbox directory in production");
  return {
    phoneOf: async (cnId) => {
      if (!existsSync(path)) return undefined;
      const phones = parseJsonWith(Directory, readFileSync(path, "utf8"), "config-invalid", path);
      return phones[keyOf(cnId, subjectKey)];
    },
  };
}

function keyOf(cnId: string, subjectKey: Buffer): string {
  return subjectTag(subjectKey, "cn-id", normaliseCnId(cnId)).toString("hex");
}
