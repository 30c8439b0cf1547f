// Reads a model file, draft or package, and says whether it fits the catalogue: `wjf model check`. Needs no key and no
// party's folder.
import { readFileSync } from "node:fs";
import {
  type Catalogue,
  loadCatalogue,
  type OpenedPackage,
  parsePackage,
  withPackage,
} from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import { parseJson } from "../core/parse.ts";
import type { Output } from "./output.ts";

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new WjfError("model-invalid", `${path}: cannot be read`, { cause });
  }
}

/** The model in a draft, or in a package whether signed by the right key or not. */
export function readDraft(path: string): unknown {
  const value = parseJson(readText(path), "model-invalid", path);
  if (typeof value !== "object" || value === null) return value;
  return "package" in value ? value.package : value;
}

/** @throws WjfError `model-invalid`, naming the field. */
export function checkDraft(value: unknown, catalogue: Catalogue): OpenedPackage {
  const opened = parsePackage(value);
  withPackage(catalogue, opened);
  return opened;
}

export async function modelCheck(output: Output, path: string): Promise<void> {
  const catalogue = loadCatalogue();
  const opened = checkDraft(readDraft(path), catalogue);
  const product = withPackage(catalogue, opened).products.get(opened.ref);
  const { model } = opened.body;
  output.line(`${opened.ref} of ${opened.body.owner} fits catalogue version ${catalogue.version}`);
  output.line(
    `${model.dimensions.length} dimensions, ${product?.slots.length ?? 0} slots, ${model.min}–${model.max}`,
  );
  output.result({ ok: true, product: opened.ref, sha256: opened.sha256, slots: product?.slots });
}
