// What this province's operator has decided about each model package: approved, rejected, or in shadow; a package that
// nobody has decided about is pending. An append-only list in one file of the node's folder, so that it also says who
// undid what. A decision is about one package's hash: another file under the same name is pending again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { AdmittedPackage } from "../../catalogue/index.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { ProductRef, Sha256Hex } from "../../core/ids.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { writeSecretFile } from "../../core/secret-file.ts";

export const ModelState = z.enum(["pending", "approved", "shadow", "rejected"]);
export type ModelState = z.infer<typeof ModelState>;

const Decision = z.strictObject({
  product: ProductRef,
  package_sha256: Sha256Hex,
  state: ModelState.exclude(["pending"]),
  decided_at: z.iso.datetime({ precision: 3 }),
  /** Why, in the operator's words. */
  note: z.string().max(512).optional(),
});
export type ModelDecision = z.infer<typeof Decision>;

export type DecidedPackage = Pick<AdmittedPackage, "ref" | "sha256" | "body">;

export function decisionsPath(nodeFolder: string): string {
  return join(nodeFolder, "model-decisions.json");
}

/** @throws WjfError `config-invalid` when the file is not what `decide` wrote. */
export function readDecisions(nodeFolder: string): readonly ModelDecision[] {
  let text: string;
  try {
    text = readFileSync(decisionsPath(nodeFolder), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return parseJsonWith(z.array(Decision), text, "config-invalid", "model-decisions.json");
}

export function stateOf(
  decisions: readonly ModelDecision[],
  { ref, sha256 }: { readonly ref: string; readonly sha256: string },
): ModelState {
  const latest = decisions.findLast(
    ({ product, package_sha256 }) => product === ref && package_sha256 === sha256,
  );
  return latest?.state ?? "pending";
}

/** Adds one decision to the node's file. One operator at a time. */
export function decide(
  nodeFolder: string,
  { ref, sha256 }: Pick<AdmittedPackage, "ref" | "sha256">,
  state: ModelDecision["state"],
  clock: Clock,
  note?: string,
): ModelDecision {
  const decision: ModelDecision = {
    product: ref,
    package_sha256: sha256,
    state,
    decided_at: new Date(clock.nowMs()).toISOString(),
    ...(note === undefined ? {} : { note }),
  };
  const all = [...readDecisions(nodeFolder), decision];
  writeSecretFile(decisionsPath(nodeFolder), `${JSON.stringify(all, null, 2)}\n`);
  return decision;
}

/**
 * Ends the newest approved version of a model and puts the approved one before it in force again.
 * @throws WjfError `model-invalid` when no version is approved, or there was never an earlier one.
 */
export function rollBack(
  nodeFolder: string,
  packages: readonly DecidedPackage[],
  modelId: string,
  clock: Clock,
): { readonly ended: ProductRef; readonly restored: ProductRef } {
  const decisions = readDecisions(nodeFolder);
  const versions = packages
    .filter(({ body }) => body.model.id === modelId)
    .sort((a, b) => b.body.model.version - a.body.model.version);
  const current = versions.find((each) => stateOf(decisions, each) === "approved");
  if (current === undefined) throw new WjfError("model-invalid", `${modelId}: nothing is approved`);
  const before = versions
    .slice(versions.indexOf(current) + 1)
    .find((each) => wasApproved(decisions, each));
  if (before === undefined) {
    throw new WjfError("model-invalid", `${modelId}: no earlier version was ever approved`);
  }
  decide(nodeFolder, current, "rejected", clock, `rolled back to ${before.ref}`);
  decide(nodeFolder, before, "approved", clock, `rolled back from ${current.ref}`);
  return { ended: current.ref, restored: before.ref };
}

function wasApproved(
  decisions: readonly ModelDecision[],
  { ref, sha256 }: DecidedPackage,
): boolean {
  return decisions.some(
    (each) => each.product === ref && each.package_sha256 === sha256 && each.state === "approved",
  );
}
