// A model package (CATALOGUE §3): an institution's own scoring model as a signed file. The owner signs the package, the
// authority signs that it admitted this very package from this very owner; every party verifies both signatures before
// it reads a word. What a package may say is bounded here: points over the indicator library, nothing else.
// Format and reasons: docs/decisions/013-model-packages.md. No I/O.
import { type KeyObject } from "node:crypto";
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef, Sha256Hex } from "../core/ids.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import {
  importPublic,
  openStatement,
  PublicP256Jwk,
  signStatement,
  thumbprint,
} from "../crypto/index.ts";
import { ModelDeclaration } from "./model.ts";

const text = z.strictObject({ zh: z.string().min(1).max(512), en: z.string().min(1).max(512) });

/** Largest package file that is read. */
export const MAX_PACKAGE_BYTES = 1024 * 1024;

export const ModelPackage = z
  .strictObject({
    format: z.literal(1),
    /** The institution's client id. */
    owner: z.string().regex(/^[a-z][a-z0-9-]{2,62}$/, "a client id"),
    description: text,
    model: ModelDeclaration,
  })
  .superRefine(({ owner, model }, context) => {
    const refuse = (path: string[], message: string): void =>
      context.addIssue({ code: "custom", path: ["model", ...path], message });
    if (!model.id.startsWith("risk-model:")) refuse(["id"], "must start with risk-model:");
    if (model.owner !== owner) refuse(["owner"], "must be the package's owner");
    if (model.authority.length > 0)
      refuse(["authority"], "only built-in models count at the authority");
    model.dimensions.forEach((dimension, i) => {
      const features = "features" in dimension ? dimension.features : [];
      if (features.some((feature) => "input" in feature)) {
        refuse(["dimensions", String(i)], "a package's features are indicators, not claims");
      }
    });
  });
export type ModelPackage = z.infer<typeof ModelPackage>;

const Signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/, "an ES256 signature, base64url");

const Admission = z.strictObject({
  product: ProductRef,
  package_sha256: Sha256Hex,
  owner: z.string(),
  /** The owner's registered signing key at the time. */
  owner_key: PublicP256Jwk,
  admitted_at: z.iso.datetime({ precision: 3 }),
});
export type PackageAdmission = z.infer<typeof Admission>;

/** The file: readable JSON; what is signed is the canonical form of `package` and of `admission.statement`. */
const PackageFile = z.strictObject({
  package: z.json(),
  signature: Signature,
  admission: z.strictObject({ statement: z.json(), signature: Signature }).optional(),
});
export type PackageFile = z.infer<typeof PackageFile>;

export interface OpenedPackage {
  readonly body: ModelPackage;
  /** `id@version`: the product that it makes. */
  readonly ref: ProductRef;
  /** SHA-256 of the canonical JSON of the package. */
  readonly sha256: string;
}

export interface AdmittedPackage extends OpenedPackage {
  readonly admission: PackageAdmission;
}

/** @throws WjfError `model-invalid`: the form, never the signature, is looked at. */
export function parsePackage(value: unknown): OpenedPackage {
  const body = parseWith(ModelPackage, value, "model-invalid", "package");
  const ref = parseWith(ProductRef, `${body.model.id}@${body.model.version}`, "model-invalid");
  return { body, ref, sha256: sha256Hex(canonicalJson(value)) };
}

/** @throws WjfError `model-invalid`: a package that does not parse is not signed. */
export function signPackage(value: unknown, ownerKey: KeyObject): PackageFile {
  parsePackage(value);
  const { signature } = signStatement("model-package", value, ownerKey);
  return { package: value as PackageFile["package"], signature: signature.toString("base64url") };
}

/** @throws WjfError `model-invalid`. */
export function parsePackageFile(json: string): PackageFile {
  if (json.length > MAX_PACKAGE_BYTES) throw new WjfError("model-invalid", "the file is too large");
  return parseJsonWith(PackageFile, json, "model-invalid", "package file");
}

/** Verifies the owner's signature first. @throws WjfError `model-invalid`. */
export function openPackage(file: PackageFile, ownerKey: KeyObject): OpenedPackage {
  open("model-package", file.package, file.signature, ownerKey, z.unknown());
  return parsePackage(file.package);
}

/** The authority's word, over a package that `openPackage` has verified. */
export function admitPackage(
  file: PackageFile,
  admission: PackageAdmission,
  authorityKey: KeyObject,
): PackageFile {
  const { signature } = signStatement("model-admission", admission, authorityKey);
  const signed = { statement: admission, signature: signature.toString("base64url") };
  return { ...file, admission: signed as NonNullable<PackageFile["admission"]> };
}

/**
 * What a party reads: the admission under the authority's root key, then the package under the key it names.
 * @throws WjfError `model-invalid`.
 */
export function openAdmitted(file: PackageFile, authorityKey: KeyObject): AdmittedPackage {
  if (file.admission === undefined) throw new WjfError("model-invalid", "not admitted");
  const { statement, signature } = file.admission;
  const admission = open("model-admission", statement, signature, authorityKey, Admission);
  const opened = openPackage(file, importPublic(admission.owner_key));
  const same =
    admission.product === opened.ref &&
    admission.package_sha256 === opened.sha256 &&
    admission.owner === opened.body.owner;
  if (!same) throw new WjfError("model-invalid", "the admission is about another package");
  return { ...opened, admission };
}

function open<S extends z.ZodType>(
  context: "model-package" | "model-admission",
  value: unknown,
  signature: string,
  key: KeyObject,
  schema: S,
): z.output<S> {
  const statement = Buffer.from(canonicalJson(value));
  const signed = { statement, signature: Buffer.from(signature, "base64url") };
  return openStatement(context, signed, key, schema, "model-invalid");
}

/** What a human compares when a key is read out: RFC 7638. */
export function ownerKeyId(admission: PackageAdmission): string {
  return thumbprint(admission.owner_key);
}
