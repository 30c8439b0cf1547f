// The public face of gateway/.
export { createGatewayKeys } from "./secrets.ts";
export { type RunningGateway, startGateway } from "./start.ts";
