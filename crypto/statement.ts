// Signed statements between the parties: canonical JSON under a context string, signed ES256 (FIPS 186-5,
// IEEE P1363 encoding as in RFC 7518 §3.4). The context separates receipts, commitments and admissions, so that a
// signature made for one purpose can never serve another.
import { type KeyObject, sign, verify } from "node:crypto";
import type { z } from "zod";
import { canonicalJson } from "../core/canonical.ts";
import type { ErrorCode } from "../core/errors.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";

export interface SignedStatement {
  /** Canonical JSON bytes. */
  readonly statement: Buffer;
  /** 64 bytes, r ‖ s. */
  readonly signature: Buffer;
}

export type StatementContext =
  | "receipt"
  | "merge"
  | "admission"
  | "batch-manifest"
  | "model-package"
  | "model-admission"
  | "training-admission"
  | "training-order";

function signedBytes(context: StatementContext, statement: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`weijifen/${context}/v1\n`), statement]);
}

export function signStatement(
  context: StatementContext,
  value: unknown,
  key: KeyObject,
): SignedStatement {
  const statement = Buffer.from(canonicalJson(value));
  const signature = sign("sha256", signedBytes(context, statement), {
    key,
    dsaEncoding: "ieee-p1363",
  });
  return { statement, signature };
}

/**
 * Verifies, then parses: nothing of an unsigned statement is looked at.
 * @throws WjfError `code` when the signature or the form is wrong.
 */
export function openStatement<S extends z.ZodType>(
  context: StatementContext,
  signed: { readonly statement: Uint8Array; readonly signature: Uint8Array },
  key: KeyObject,
  schema: S,
  code: ErrorCode,
): z.output<S> {
  const bytes = signedBytes(context, signed.statement);
  const good = verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signed.signature);
  if (!good) throw new WjfError(code, "signature");
  return parseJsonWith(schema, Buffer.from(signed.statement).toString("utf8"), code, context);
}
