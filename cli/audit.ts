// What `wjf audit …` does: see cli/audit-commands.ts. The judging is consent/log/'s; this prints it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  exportLog,
  type Finding,
  type LeafFilter,
  type ShownLeaf,
  showLeaves,
  verifyLog,
  type VerifyReport,
  verifyReceipt,
} from "../consent/index.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import {
  type ChosenKeys,
  chooseKeys,
  openSource,
  readText,
  type SourceArguments,
} from "./audit-source.ts";
import type { Output, Progress } from "./output.ts";

export interface VerifyArguments extends SourceArguments {
  readonly earlier?: string;
}

export type ShowArguments = LeafFilter;

export async function auditExport(
  output: Output,
  dir: string,
  options: { readonly from?: string },
): Promise<void> {
  await using source = await openSource(options.from);
  using progress = lateProgress(output, "files copied");
  const { size, files } = await exportLog(source.reader, dir, progress.update);
  // What the log says its keys are. Its own database does not say; then they are this authority's.
  const told = await source.reader.read("keys");
  const keys = told ?? `${(await chooseKeys({})).verifierKeys.join("\n")}\n`;
  await writeFile(join(dir, "keys"), keys);
  output.line(`${size} leaves of ${source.name} in ${dir}: ${files} files, and its public keys`);
  output.result({ from: source.name, folder: dir, size, files });
}

export async function auditVerify(
  output: Output,
  where: string | undefined,
  options: VerifyArguments,
): Promise<void> {
  await using source = await openSource(where);
  const keys = await chooseKeys(options, source.reader);
  const earlier =
    options.earlier === undefined ? undefined : checkpointIn(readText(options.earlier));
  using progress = lateProgress(output, "leaves verified");
  const startedMs = performance.now();
  const report = await verifyLog(source.reader, {
    verifierKeys: keys.verifierKeys,
    ...(earlier !== undefined && { earlier }),
    onProgress: progress.update,
  });
  const seconds = (performance.now() - startedMs) / 1000;
  progress[Symbol.dispose]();
  const leavesPerS = Math.round(report.size / seconds);
  printReport(output, report, keys);
  output.line(`${report.size} leaves in ${seconds.toFixed(1)} s: ${leavesPerS} leaves/s`);
  output.line(report.ok ? "OK" : "NOT OK");
  output.result({ ...report, keys_from: keys.from, seconds, leaves_per_s: leavesPerS });
  if (!report.ok) process.exitCode = 1;
}

function printReport(output: Output, report: VerifyReport, keys: ChosenKeys): void {
  const kinds = Object.entries(report.leaves).map(([type, n]) => `${n} ${type}`);
  output.line(`log ${report.origin ?? "?"}, ${report.size} leaves: ${kinds.join(", ") || "none"}`);
  output.line(
    `root ${report.rootHash ?? "?"}, signed by ${report.signedBy.join(", ") || "nobody"}`,
  );
  if (keys.from === "log") {
    output.line("The keys are the log's own word: this shows one sound log, not whose it is.");
  }
  for (const finding of report.findings) output.line(describe(finding));
  const unlisted = report.findingsTotal - report.findings.length;
  if (unlisted > 0) output.line(`… and ${unlisted} more findings`);
}

function describe({ code, index, detail }: Finding): string {
  return `${index === undefined ? "log" : `leaf ${index}`}: ${code}: ${detail}`;
}

export async function auditShow(
  output: Output,
  where: string | undefined,
  { consent, client, query }: ShowArguments,
): Promise<void> {
  const filter = {
    ...(consent !== undefined && { consent }),
    ...(client !== undefined && { client }),
    ...(query !== undefined && { query }),
  };
  if (Object.keys(filter).length === 0) {
    throw new WjfError("request-malformed", "give --consent, --client or --query");
  }
  await using source = await openSource(where);
  const shown: ShownLeaf[] = [];
  using progress = lateProgress(output, "leaves read");
  for await (const each of showLeaves(source.reader, filter, progress.update)) {
    const { type, time, ...rest } = each.leaf;
    // Where a bar is, no line can be; the next look at the log draws another.
    progress[Symbol.dispose]();
    output.line(`${each.index}  ${time}  ${type}  ${JSON.stringify(rest)}`);
    if (output.json) shown.push(each);
  }
  output.result({ leaves: shown });
}

export async function auditReceipt(
  output: Output,
  file: string,
  options: SourceArguments,
): Promise<void> {
  const keys = await chooseKeys(options);
  const verified = verifyReceipt(receiptIn(readText(file)), keys.verifierKeys);
  const { leaf, index, size, origin, signedBy } = verified;
  output.line(`OK: leaf ${index} of ${origin} (${size} leaves), signed by ${signedBy.join(", ")}`);
  output.line(JSON.stringify(leaf, null, 2));
  output.result(verified);
}

const Answer = z.looseObject({ receipt: z.string() });

/** The receipt itself, or the answer that came with it. */
function receiptIn(text: string): string {
  if (!text.trimStart().startsWith("{")) return text;
  return parseJsonWith(Answer, text, "log-invalid", "receipt").receipt;
}

/** A checkpoint as it was signed, or the one that a receipt ends in. */
function checkpointIn(text: string): string {
  const receipt = receiptIn(text);
  if (!receipt.startsWith("c2sp.org/tlog-proof@")) return receipt;
  return receipt.slice(receipt.indexOf("\n\n") + 2);
}

interface LateProgress extends Disposable {
  readonly update: (done: number, total: number) => void;
}

/** A progress bar whose total is known once the work has begun. */
function lateProgress(output: Output, label: string): LateProgress {
  let progress: Progress | undefined;
  return {
    update: (done, total) => {
      progress ??= output.progress(label, total);
      progress.update(done);
    },
    [Symbol.dispose]: () => {
      progress?.[Symbol.dispose]();
      progress = undefined;
    },
  };
}
