// Whether a first run has made all that cli/prepare.ts makes, without loading what makes it: a start has 33 processes to begin, and
// mostly nothing to prepare.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { sha256Hex } from "../core/canonical.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import { ProvinceCode, Sha256Hex } from "../core/ids.ts";
import { PROVINCES, type Province } from "../core/provinces.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { VERSION } from "../core/version.ts";

/** What the sandbox's institution may ask for consent for. */
export const DEMO_PURPOSES = [
  "dpv:CreditChecking",
  "dpv:FraudPreventionAndDetection",
  "dpv:CustomerSolvencyMonitoring",
] as const;

const PRODUCTS = fileURLToPath(new URL("../catalogue/data/products.json", import.meta.url));

const Prepared = z.strictObject({ of: Sha256Hex, provinces: z.array(ProvinceCode) });

export function writePrepared(settings: Settings, provinces: readonly Province[]): void {
  const prepared: z.input<typeof Prepared> = {
    of: stateOf(settings),
    provinces: provinces.map(({ code }) => code),
  };
  writeSecretFile(pathIn(settings), JSON.stringify(prepared));
}

/** The provinces of the federation; undefined when something may be missing, or is for a production's operators to do. */
export function readPrepared(settings: Settings): readonly Province[] | undefined {
  const path = pathIn(settings);
  if (settings.production || !existsSync(path)) return undefined;
  const { data } = Prepared.safeParse(parsed(readFileSync(path, "utf8")));
  if (data === undefined || data.of !== stateOf(settings)) return undefined;
  const stores = data.provinces.map((code) => join(partyFolder(settings.home, code), "store.db"));
  if (!stores.every((store) => existsSync(store))) return undefined;
  return PROVINCES.filter(({ code }) => data.provinces.includes(code));
}

function pathIn({ home }: Settings): string {
  return join(home, "prepared.json");
}

/** What was prepared would not fit another version, catalogue, roster or database. */
function stateOf({ home, databaseUrl }: Settings): string {
  const authority = partyFolder(home, "authority");
  const federation = join(authority, "federation.json");
  const document = existsSync(federation) ? readFileSync(federation, "utf8") : "";
  const database = databaseUrl ?? String(existsSync(join(authority, "authority.db")));
  const asked = [...DEMO_PURPOSES, readFileSync(PRODUCTS, "utf8")];
  return sha256Hex([VERSION, document, database, ...asked].join("\n"));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
