// Secret files: written 0600, refused when anybody else may read them, never echoed.
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { WjfError } from "./errors.ts";

/** @throws WjfError `secret-missing` when absent, or when group or others have any right to it. */
export function readSecretFile(path: string): Buffer {
  let mode: number;
  try {
    mode = statSync(path).mode & 0o777;
  } catch (cause) {
    throw new WjfError("secret-missing", `${path}: not found`, { cause });
  }
  if ((mode & 0o077) !== 0) {
    throw new WjfError("secret-missing", `${path}: mode is ${mode.toString(8)}, must be 600`);
  }
  return readFileSync(path);
}

/** Whole or not at all: written beside its place, then renamed. */
export function writeSecretFile(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  writeFileSync(temporary, data, { mode: 0o600 });
  chmodSync(temporary, 0o600);
  renameSync(temporary, path);
}
