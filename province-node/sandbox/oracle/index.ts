// The public face of the oracle: what every product must answer about a sandbox's people, from raw rows.
export { Oracle, type OracleClaims, type OracleSubject } from "./oracle.ts";
