// What the compose file's `ceremony` service runs once, before any party: the development key ceremony, the sandbox's
// people and tables, and a registered institution. The only process that sees every party's folder; each folder is a
// volume that afterwards goes to its own party. A second run finds everything and changes nothing. Development only.
// `--provinces 12,51` makes a smaller federation.
import { existsSync } from "node:fs";
import { cp, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keysInit } from "../cli/keys-init.ts";
import { createOutput } from "../cli/output.ts";
import { prepareFederation, sandboxFolder } from "../cli/prepare.ts";
import { partyFolder, readSettings } from "../core/config.ts";

const settings = readSettings();
const output = createOutput(false);
const { values } = parseArgs({ options: { provinces: { type: "string" } } });
// The services' names in docker-compose.yml are their hosts' names on the federation's network.
await keysInit(output, { ...values, nodeHost: "province-%s" });
const provinces = await prepareFederation(settings, output);
for (const { code } of provinces) {
  // A province's raw tables lie with the province, so that it can load them again; here only the truth remains.
  const raw = join(sandboxFolder(settings.home), code);
  if (!existsSync(raw)) continue;
  await cp(raw, join(partyFolder(settings.home, code), "raw"), { recursive: true });
  await rm(raw, { recursive: true });
}

// Messages to people leave the authority's volume: `phones` is the carriers' network, which the sandbox's people read.
const outbox = join(partyFolder(settings.home, "authority"), "outbox.ndjson");
if (!existsSync(outbox)) {
  const phones = join(settings.home, "phones", "outbox.ndjson");
  await symlink(phones, outbox).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
