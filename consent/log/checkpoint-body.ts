// The text of a checkpoint (c2sp.org/tlog-checkpoint): origin, tree size, root hash, one line each. Its signatures are
// consent/log/note.ts's business. Extension lines are read over and never written.
import { WjfError } from "../../core/errors.ts";
import { HASH_BYTES, type TreeHead } from "../../crypto/merkle.ts";

export interface CheckpointBody extends TreeHead {
  readonly origin: string;
}

export function formatCheckpointBody({ origin, size, root }: CheckpointBody): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** @throws WjfError `log-invalid`. */
export function parseCheckpointBody(text: string): CheckpointBody {
  const [origin = "", size = "", root = "", ...rest] = text.split("\n");
  const hash = Buffer.from(root, "base64");
  const wellFormed =
    origin !== "" &&
    /^(0|[1-9][0-9]{0,15})$/.test(size) &&
    Number.isSafeInteger(Number(size)) &&
    hash.length === HASH_BYTES &&
    hash.toString("base64") === root &&
    // Extension lines are not empty; the text ends in a newline.
    rest.at(-1) === "" &&
    rest.indexOf("") === rest.length - 1;
  if (!wellFormed) throw new WjfError("log-invalid", "checkpoint: not origin, size and root hash");
  return { origin, size: Number(size), root: hash };
}

/** Whether a text is a checkpoint and nothing more. */
export function isWholeCheckpoint(text: string): boolean {
  try {
    return formatCheckpointBody(parseCheckpointBody(text)) === text;
  } catch {
    return false;
  }
}
