// The public face of province-node/.
export { createNodeKeys, type DealtKeys, type NodeEnrolment, storeDealtKeys } from "./secrets.ts";
export { type RunningNode, startProvinceNode } from "./start.ts";
