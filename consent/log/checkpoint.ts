// Checkpoints (c2sp.org/tlog-checkpoint): the signed head of the log. A log never signs two that are inconsistent; that
// is kept by consent/log/audit-log.ts, which signs under the lock on the log's head. This file only writes and reads.
import { WjfError } from "../../core/errors.ts";
import {
  type CheckpointBody,
  formatCheckpointBody,
  parseCheckpointBody,
} from "./checkpoint-body.ts";
import { type NoteSigner, noteVerifier, openNote, signNote } from "./note.ts";

export interface Checkpoint extends CheckpointBody {
  /** The given keys that signed it, as `name+id`. */
  readonly signedBy: readonly string[];
}

export function signCheckpoint(
  body: CheckpointBody,
  signers: readonly NoteSigner[],
  nowMs: number,
): string {
  return signNote(formatCheckpointBody(body), signers, nowMs);
}

/**
 * Believes a checkpoint. A key speaks for one log only: the origin must be the name of a key that signed, or the key of
 * another log would do. @throws WjfError `log-invalid`; `config-invalid` for a bad verifier key.
 */
export function openCheckpoint(note: string, verifierKeys: readonly string[]): Checkpoint {
  const { text, signedBy } = openNote(note, verifierKeys.map(noteVerifier));
  const body = parseCheckpointBody(text);
  if (!signedBy.some((label) => label.slice(0, label.lastIndexOf("+")) === body.origin)) {
    throw new WjfError("log-invalid", "checkpoint: not signed by a key of its own log");
  }
  return { ...body, signedBy };
}
