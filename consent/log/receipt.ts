// Receipts (c2sp.org/tlog-proof): one leaf, its inclusion proof, and the signed checkpoint that it leads to, in one text
// that anybody verifies offline. The leaf itself travels in the `extra` line, which the specification provides for what
// is needed to compute the leaf hash; it is believed only because the proof ends in the signed root.
import { WjfError } from "../../core/errors.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { decodeLeaf, type Leaf } from "./leaf.ts";
import { HASH_BYTES, leafHash, rootFromInclusion } from "../../crypto/merkle.ts";
import { decodeBase64 } from "./note.ts";

const HEADER = "c2sp.org/tlog-proof@v1";
// An index below 2^53 has a path of at most 53 hashes.
const PATH_MAX = 63;

export interface ReceiptParts {
  readonly leaf: string | Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}

export function formatReceipt({ leaf, index, path, checkpoint }: ReceiptParts): string {
  const base64 = (bytes: string | Uint8Array) => Buffer.from(bytes as string).toString("base64");
  const lines = [HEADER, `extra ${base64(leaf)}`, `index ${index}`, ...path.map(base64)];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** Takes a receipt apart without believing it. @throws WjfError `log-invalid`. */
export function parseReceipt(text: string): ReceiptParts {
  const split = text.indexOf("\n\n");
  const [header, extra, index, ...path] = text.slice(0, Math.max(split, 0)).split("\n");
  const leaf = decodeBase64(/^extra (\S+)$/.exec(extra ?? "")?.[1] ?? "");
  const number = /^index (0|[1-9][0-9]{0,15})$/.exec(index ?? "")?.[1];
  const hashes = path.map(decodeBase64);
  if (
    header !== HEADER ||
    leaf === undefined ||
    number === undefined ||
    hashes.length > PATH_MAX ||
    !hashes.every((hash): hash is Buffer => hash?.length === HASH_BYTES)
  ) {
    throw new WjfError("log-invalid", "receipt: not a tlog-proof with its leaf");
  }
  return { leaf, index: Number(number), path: hashes, checkpoint: text.slice(split + 2) };
}

export interface VerifiedReceipt {
  readonly leaf: Leaf;
  readonly index: number;
  readonly origin: string;
  readonly size: number;
  readonly signedBy: readonly string[];
}

/**
 * Verifies a receipt against verifier keys of the log. What it proves: the holders of those keys signed a log that has
 * this leaf at this index. It does not prove that others were shown the same log; that is what comparing checkpoints is for.
 * @throws WjfError `log-invalid`; `config-invalid` for a bad key.
 */
export function verifyReceipt(text: string, verifierKeys: readonly string[]): VerifiedReceipt {
  const { leaf, index, path, checkpoint } = parseReceipt(text);
  const { origin, size, root, signedBy } = openCheckpoint(checkpoint, verifierKeys);
  const reached = rootFromInclusion(leafHash(leaf), index, size, path);
  if (reached === undefined || !reached.equals(root)) {
    throw new WjfError("log-invalid", `receipt: leaf ${index} is not in the signed tree`);
  }
  return { leaf: decodeLeaf(Buffer.from(leaf)), index, origin, size, signedBy };
}
