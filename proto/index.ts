// The public face of proto/.
export * from "./batch-wire.ts";
export * from "./clients.ts";
export * from "./mutual-tls.ts";
export * from "./server.ts";
export * from "./status.ts";
export { TlsFiles } from "./tls-files.ts";
export * from "./training-clients.ts";
export * from "./training-wire.ts";
export * from "./wire.ts";
