// The public face of province-node/.
export { createNodeKeys, enrolNode, hasNodeKeys, renewNodeKeys } from "./own-keys.ts";
export { type DealtKeys, storeDealtKeys } from "./secrets.ts";
export { type RunningNode, startProvinceNode } from "./start.ts";
export { drain, isDrained, resume } from "./maintenance.ts";
export { FeatureStore } from "./feature-store.ts";
export { type LoadProgress, type LoadReport, loadProvince } from "./load/load.ts";
export { generateSandbox, type TruthPerson } from "./sandbox/generate.ts";
export { Oracle, type OracleClaims, type OracleSubject } from "./sandbox/oracle/index.ts";
export {
  decide,
  type ModelDecision,
  type ModelState,
  readDecisions,
  rollBack,
  stateOf,
} from "./models/decisions.ts";
export { readShadow, SHADOW_K, type ShadowTally } from "./models/shadow-tally.ts";
export { evaluateItem } from "./evaluate.ts";
export { TrainingProvince } from "./training/training-province.ts";
export type { Columns } from "./training/design.ts";
export { decideTraining, listTraining, type OperatorJob } from "./training/operator.ts";
