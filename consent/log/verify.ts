// Verifies a whole log from a copy or an address, with nothing but its public keys: the checkpoint's signatures, every
// tile, every leaf, consistency with a checkpoint seen earlier, and the rules among the leaves (consent/log/history-check.ts).
// It streams: memory grows with the number of consents and queries, not with the size of the leaves.
import { WjfError } from "../../core/errors.ts";
import { type CheckpointBody, parseCheckpointBody } from "./checkpoint-body.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Finding, Report } from "./findings.ts";
import { HistoryCheck } from "./history-check.ts";
import { decodeLeaf, type Leaf } from "./leaf.ts";
import { parseNote } from "./note.ts";
import type { LogReader } from "./reader.ts";
import { TreeCheck } from "./tree-check.ts";

export interface VerifyOptions {
  readonly verifierKeys: readonly string[];
  /** A checkpoint of this log that was obtained before, as it was signed: the log must still begin with it. */
  readonly earlier?: string;
  /** Findings beyond this many are counted, not listed. */
  readonly findingsMax?: number;
  readonly onProgress?: (leavesDone: number, leavesTotal: number) => void;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly origin: string | undefined;
  readonly size: number;
  readonly rootHash: string | undefined;
  readonly signedBy: readonly string[];
  readonly leaves: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
  readonly findingsTotal: number;
}

/**
 * @throws WjfError `federation-unavailable` when an address stops answering; `config-invalid` for bad keys; `log-invalid`
 * when the earlier checkpoint is itself not signed. Whatever is wrong with the log is a finding.
 */
export async function verifyLog(reader: LogReader, options: VerifyOptions): Promise<VerifyReport> {
  const findings: Finding[] = [];
  let findingsTotal = 0;
  const report: Report = (code, index, detail) => {
    findingsTotal += 1;
    if (findings.length >= (options.findingsMax ?? 100)) return;
    findings.push({ code, ...(index === undefined ? {} : { index }), detail });
  };
  const leaves: Record<string, number> = {};
  const head = await readHead(reader, options.verifierKeys, report);
  if (head !== undefined) await checkLeaves(reader, head, options, report, leaves);
  return {
    ok: findingsTotal === 0,
    origin: head?.origin,
    size: head?.size ?? 0,
    rootHash: head?.root.toString("base64"),
    signedBy: head?.signedBy ?? [],
    leaves,
    findings,
    findingsTotal,
  };
}

interface Head extends CheckpointBody {
  readonly signedBy: readonly string[];
}

/** A checkpoint that is not signed is reported and then used all the same, to find out what else is wrong. */
async function readHead(
  reader: LogReader,
  keys: readonly string[],
  report: Report,
): Promise<Head | undefined> {
  const note = (await reader.read("checkpoint"))?.toString();
  if (note === undefined) {
    report("checkpoint-malformed", undefined, "there is no checkpoint");
    return undefined;
  }
  try {
    return openCheckpoint(note, keys);
  } catch (error) {
    if (!(error instanceof WjfError) || error.code !== "log-invalid") throw error;
    try {
      const head = { ...parseCheckpointBody(parseNote(note).text), signedBy: [] };
      report("checkpoint-signature", undefined, error.detail ?? "");
      return head;
    } catch {
      report("checkpoint-malformed", undefined, error.detail ?? "");
      return undefined;
    }
  }
}

async function checkLeaves(
  reader: LogReader,
  head: Head,
  options: VerifyOptions,
  report: Report,
  counts: Record<string, number>,
): Promise<void> {
  const earlier = options.earlier && openCheckpoint(options.earlier, options.verifierKeys);
  const check = new TreeCheck(reader, head.size, report, earlier ? earlier.size : 0);
  const history = new HistoryCheck(report);
  for await (const { start, leaves } of check.bundles()) {
    for (const [i, bytes] of leaves.entries()) {
      const leaf = bytes && decodeOrReport(start + i, bytes, report);
      if (leaf === undefined) continue;
      counts[leaf.type] = (counts[leaf.type] ?? 0) + 1;
      history.observe(start + i, leaf);
    }
    options.onProgress?.(start + leaves.length, head.size);
  }
  if (check.tree.size === head.size && !check.tree.tree().root().equals(head.root)) {
    report("root-mismatch", undefined, "the tiles do not have the signed root");
  }
  if (earlier) compareWithEarlier(earlier, head, check.watchedRoot, report);
}

/** A log only grows: RFC 6962 §2.1.2, here by computing the earlier root from the log's own leaves. */
function compareWithEarlier(
  earlier: CheckpointBody,
  head: CheckpointBody,
  rootThen: Buffer | undefined,
  report: Report,
): void {
  if (earlier.origin !== head.origin) {
    report("history-rewritten", undefined, "the earlier checkpoint is another log's");
  } else if (earlier.size > head.size) {
    const gone = `leaves ${head.size} to ${earlier.size - 1} were signed before and are gone`;
    report("checkpoint-rewound", head.size, gone);
  } else if (earlier.size > 0 && rootThen?.equals(earlier.root) !== true) {
    const range = `leaves 0 to ${earlier.size - 1} are not the ones that were signed before`;
    report("history-rewritten", 0, range);
  }
}

function decodeOrReport(index: number, bytes: Buffer, report: Report): Leaf | undefined {
  try {
    return decodeLeaf(bytes);
  } catch (error) {
    if (!(error instanceof WjfError)) throw error;
    report("leaf-malformed", index, error.detail ?? "");
    return undefined;
  }
}
