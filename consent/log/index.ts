// The audit log's public face: what the authority writes and serves, and what a regulator verifies with.
export { AuditLog, type AuditLogOptions, type ErasureReason } from "./audit-log.ts";
export { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
export { commitmentOf, type Opening } from "./commitment.ts";
export { databaseReader } from "./database-reader.ts";
export { exportLog, type ExportResult } from "./export.ts";
export type { Finding, FindingCode } from "./findings.ts";
export { decodeLeaf, type Leaf, type LeafDraft } from "./leaf.ts";
export { type NoteSigner, noteSigner } from "./note.ts";
export { folderReader, httpReader, type LogReader, logReader } from "./reader.ts";
export { type VerifiedReceipt, verifyReceipt } from "./receipt.ts";
export { logMigrations, type LogSchema } from "./schema.ts";
export type { Receipt, Sequenced, Sequencing, Work } from "./sequencer.ts";
export { type LogResponse, serveLog } from "./serve.ts";
export { type LeafFilter, type ShownLeaf, showLeaves } from "./show.ts";
export { verifyLog, type VerifyOptions, type VerifyReport } from "./verify.ts";
