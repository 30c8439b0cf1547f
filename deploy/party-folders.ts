// Run while the image is built: makes every folder that is mounted below WJF_HOME. A named volume takes the owner of the
// folder that it is mounted on, so each party can write its own volume without root. Puts nothing inside.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { partyFolder, readSettings } from "../core/config.ts";
import { PROVINCES } from "../core/provinces.ts";

const { home } = readSettings();
const parties = ["authority", "gateway", ...PROVINCES.map(({ code }) => code)] as const;
// What only a development federation has: its CA, the sandbox's people, their phones, an institution's keys.
const sandbox = ["ca", "sandbox", "phones", "institutions"].map((name) => join(home, name));
for (const folder of [...parties.map((party) => partyFolder(home, party)), ...sandbox]) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}
