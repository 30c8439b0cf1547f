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
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new WjfError(code, `${what ? `${what}: ` : ""}${describeIssues(result.error)}`);
}

/** @throws WjfError `code` if the text is not JSON, or does not fit the schema. */
export function parseJsonWith<S extends z.ZodType>(
  schema: S,
  text: string,
  code: ErrorCode,
  what = "",
): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WjfError(code, `${what ? `${what}: ` : ""}not JSON`);
  }
  return parseWith(schema, value, code, what);
}
