// The audit log's public face: what the authority writes and serves, and what a regulator verifies with.
export { AuditLog, type AuditLogOptions, type ErasureReason } from "./audit-log.ts";
export { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
export { commitmentOf, type Opening } from "./commitment.ts";
export { decodeLeaf, type Leaf, type LeafDraft } from "./leaf.ts";
export { type NoteSigner, noteSigner } from "./note.ts";
export { type VerifiedReceipt, verifyReceipt } from "./receipt.ts";
export { logMigrations, type LogSchema } from "./schema.ts";
export type { Receipt, Sequenced, Sequencing, Work } from "./sequencer.ts";
