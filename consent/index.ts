// The public face of consent/ for the command line. gateway/ and province-node/ may use verifier.ts only.
export {
  addClient,
  type Client,
  disableClient,
  findClient,
  listClients,
  rotateClient,
} from "./clients.ts";
export { openAuthorityDatabase, withConsentDatabase } from "./database.ts";
export { type Federation, readFederation } from "./epochs.ts";
export { writeSandboxDirectory } from "./sandbox-directory.ts";
export { createAuthorityKeys } from "./secrets.ts";
export * from "./verifier.ts";
