// `wjf node drain` and `resume`: while a file lies in the province's folder, its node takes no new question; what is under way ends.
// The file outlives the process: a drained province stays so over a restart.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @param folder the province's own. */
export function isDrained(folder: string): boolean {
  return existsSync(drainedPath(folder));
}

export function drain(folder: string): void {
  writeFileSync(drainedPath(folder), "", { mode: 0o600 });
}

export function resume(folder: string): void {
  rmSync(drainedPath(folder), { force: true });
}

function drainedPath(folder: string): string {
  return join(folder, "drained");
}
