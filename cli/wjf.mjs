#!/usr/bin/env node
// The `wjf` command: runs cli/main.ts on the Node that this project brings, whichever Node started it.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const own = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const { status } = spawnSync(own, [main, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
