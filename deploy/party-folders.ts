// Run while the image is built: makes every party's folder below WJF_HOME. A named volume takes the owner of the
// folder that it is mounted on, so each party can write its own volume without root. Puts nothing inside.
import { mkdirSync } from "node:fs";
import { partyFolder, readSettings } from "../core/config.ts";
import { PROVINCES } from "../core/provinces.ts";

const { home } = readSettings();
for (const party of ["authority", "gateway", ...PROVINCES.map(({ code }) => code)] as const) {
  mkdirSync(partyFolder(home, party), { recursive: true, mode: 0o700 });
}
