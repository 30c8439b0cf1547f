// What `wjf client …` does: see cli/client-commands.ts.
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/config.ts";
import {
  addClient,
  type Client,
  type ClientLimits,
  DEFAULT_LIMITS,
  disableClient,
  listClients,
  rotateClient,
  withConsentDatabase,
} from "../consent/index.ts";
import { chooseKeys, type GeneratedKeys, type KeyArguments } from "./client-keys.ts";
import { type Output, table } from "./output.ts";

export interface AddClientArguments extends KeyArguments {
  readonly name: string;
  readonly contact: string;
  readonly product?: string[];
  readonly purpose: string[];
  readonly sealedOnly?: boolean;
  readonly perSecond?: string;
  readonly perDay?: string;
  readonly perPersonPerDay?: string;
  readonly claimsPerPersonPerDay?: string;
  readonly consentsPerMinute?: string;
}

export interface RotateClientArguments extends KeyArguments {
  readonly overlap?: boolean;
}

/** What was registered, and where the private keys are if they were made here. */
function show(output: Output, client: Client, generated: GeneratedKeys | undefined): void {
  const { client_id: id, products, purposes, jwks } = client;
  output.line(`${id}: ${client.name}; ${products.length} products for ${purposes.join(", ")}`);
  for (const { kid, use } of jwks.keys) output.line(`  ${use} key ${kid}`);
  if (generated !== undefined) output.line(`  private keys in ${generated.folder}`);
  output.result({ ...client, ...(generated && { private_keys: generated.folder }) });
}

export async function clientAdd(
  output: Output,
  id: string,
  options: AddClientArguments,
): Promise<void> {
  const settings = readSettings();
  const { jwks, generated } = chooseKeys(settings.home, id, options);
  const registration = {
    client_id: id,
    name: options.name,
    contact: options.contact,
    jwks,
    products: options.product ?? [...loadCatalogue().products.values()].map(({ ref }) => ref),
    purposes: options.purpose,
    sealed_only: options.sealedOnly === true,
    limits: readLimits(options),
  };
  const client = await withConsentDatabase(settings, async (db) =>
    addClient(db, systemClock, registration),
  );
  generated?.save();
  show(output, client, generated);
}

/** Those that are not given have the registry's defaults. */
function readLimits(options: AddClientArguments): ClientLimits {
  const given: { readonly [limit in keyof ClientLimits]: string | undefined } = {
    queries_per_second: options.perSecond,
    queries_per_day: options.perDay,
    consent_requests_per_minute: options.consentsPerMinute,
    queries_per_person_per_day: options.perPersonPerDay,
    claims_per_person_per_day: options.claimsPerPersonPerDay,
  };
  const read = Object.entries(given).flatMap(([limit, text]) =>
    text === undefined ? [] : [[limit, text === "none" ? null : Number(text)] as const],
  );
  // The registry looks at every one of them again.
  return { ...DEFAULT_LIMITS, ...(Object.fromEntries(read) as Partial<ClientLimits>) };
}

export async function clientList(output: Output): Promise<void> {
  const clients = await withConsentDatabase(readSettings(), listClients);
  const rows = clients.map((client) => [
    client.client_id,
    client.name,
    client.disabled_at === null ? "active" : "disabled",
    `${client.products.length}`,
    client.purposes.join(","),
    `${client.limits.queries_per_second}/s`,
    client.sealed_only ? "sealed only" : "",
  ]);
  output.line(table([["id", "name", "state", "products", "purposes", "limit", ""], ...rows]));
  output.result({ clients });
}

export async function clientRotate(
  output: Output,
  id: string,
  options: RotateClientArguments,
): Promise<void> {
  const settings = readSettings();
  const { jwks, generated } = chooseKeys(settings.home, id, options);
  const overlap = options.overlap === true;
  const client = await withConsentDatabase(settings, async (db) =>
    // It reads the old keys and writes them beside the new ones.
    db.transaction().execute((tx) => rotateClient(tx, systemClock, id, jwks, { overlap })),
  );
  generated?.save();
  show(output, client, generated);
}

export async function clientDisable(output: Output, id: string): Promise<void> {
  await withConsentDatabase(readSettings(), async (db) => disableClient(db, systemClock, id));
  output.line(`${id} is disabled`);
  output.result({ client_id: id, disabled: true });
}
