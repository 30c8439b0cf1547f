// The public face of consent/ for the command line. gateway/ and province-node/ may use verifier.ts only.
export {
  addClient,
  allowMore,
  type Client,
  type ClientLimits,
  type ClientRegistration,
  DEFAULT_LIMITS,
  disableClient,
  findClient,
  listClients,
  rotateClient,
} from "./clients.ts";
export {
  addOffer,
  listOffers,
  type Offer,
  OFFER_PURPOSE,
  retireOffer,
} from "./credit-life/offers.ts";
export { type Consent, CONSENT_STATES } from "./consent-record.ts";
export { openAuthorityDatabase, withConsentDatabase } from "./database.ts";
export { type Federation, readFederation } from "./epochs.ts";
export { admitModel, type ModelAdmissionParts } from "./model-admission.ts";
export {
  databaseReader,
  exportLog,
  type Finding,
  type LeafFilter,
  type LogReader,
  logReader,
  type ShownLeaf,
  showLeaves,
  verifyLog,
  type VerifyReport,
  verifyReceipt,
} from "./log/index.ts";
export { type Objection, type Remedy, REMEDIES } from "./objections.ts";
export { parseLogKeys, readLogKeys } from "./open-ledger.ts";
export { ConsentOperator } from "./operator.ts";
export { type Due, planRetention, runRetention } from "./retention.ts";
export { enrolmentDigest, type RosterChange, writeRosterChange } from "./roster-change.ts";
export { writeSandboxDirectory } from "./sandbox-directory.ts";
export { createAuthorityKeys, readAuthoritySecrets } from "./secrets.ts";
export { rotateTokenKeys } from "./token-keys.ts";
export * from "./verifier.ts";
