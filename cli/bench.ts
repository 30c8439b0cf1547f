// `wjf bench NAME`: the same as `npm run bench -- NAME`. bench/ is no part of the product and is imported by nothing of it: this runs
// it as a process of its own, and what it prints and exits with is what the command does.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WjfError } from "../core/errors.ts";
import type { Output } from "./output.ts";
import { runScript, scriptPath } from "./serve.ts";

const BENCH = "bench/main.ts";

/** @throws WjfError `config-invalid` where there is no bench/. */
export async function bench(
  { json }: Output,
  name: string,
  { quick }: { readonly quick?: true },
  script: string = scriptPath(BENCH),
): Promise<void> {
  if (!existsSync(script)) {
    const folder = fileURLToPath(new URL("..", import.meta.url));
    throw new WjfError(
      "config-invalid",
      `${BENCH} is not in ${folder}: run this in a checkout of the repository, after npm ci`,
    );
  }
  const flags = [...(json ? ["--json"] : []), ...(quick === true ? ["--quick"] : [])];
  await runScript(script, { args: [name, ...flags] });
}
