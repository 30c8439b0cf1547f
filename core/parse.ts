// Untrusted → typed. Every zod schema at a boundary is applied through here, so that a refusal always names
// the field and the rule, and never repeats the value.
import type { z } from "zod";
import { type ErrorCode, WjfError } from "./errors.ts";

/** Names the first few offending fields: `products[0]: expected string; …`. Values are never included. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => {
      const path = issue.path.map(String).join(".") || "(whole)";
      // unrecognized_keys echoes keys that the sender chose: count them instead.
      const rule =
        issue.code === "unrecognized_keys"
          ? `${issue.keys.length} field(s) that are not known here`
          : issue.message;
      return `${path}: ${rule}`;
    })
    .join("; ");
}

/** @throws WjfError `code`, with the field and the rule in `detail`. */
export function parseWith<S extends z.ZodType>(
  schema: S,
  value: unknown,
  code: ErrorCode,
  what = "",
): z.output<S> {
  const result = parseSafely(schema, value);
  if (result === undefined) throw new WjfError(code, `${what ? `${what}: ` : ""}nested too deeply`);
  if (result.success) return result.data;
  throw new WjfError(code, `${what ? `${what}: ` : ""}${describeIssues(result.error)}`);
}

/** Nothing where a schema that recurses, as `z.json()` does, runs out of stack. */
function parseSafely<S extends z.ZodType>(schema: S, value: unknown) {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** @throws WjfError `code` if the text is not I-JSON, or does not fit the schema. */
export function parseJsonWith<S extends z.ZodType>(
  schema: S,
  text: string,
  code: ErrorCode,
  what = "",
): z.output<S> {
  return parseWith(schema, parseJson(text, code, what), code, what);
}

const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/**
 * RFC 7493 §2.1: a string with half of a surrogate pair is no I-JSON. It has no UTF-8 either, so it could be neither hashed
 * nor signed (RFC 8785 §3.1).
 * @throws WjfError `code` if the text is not I-JSON.
 */
export function parseJson(text: string, code: ErrorCode, what = ""): unknown {
  try {
    return SURROGATE_ESCAPE.test(text) ? JSON.parse(text, requireWellFormed) : JSON.parse(text);
  } catch {
    throw new WjfError(code, `${what ? `${what}: ` : ""}not JSON`);
  }
}

function requireWellFormed(key: string, value: unknown): unknown {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) {
    throw new TypeError("half of a surrogate pair");
  }
  return value;
}
