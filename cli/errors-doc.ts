// docs/ERRORS.md, made from the error catalogue: `node cli/errors-doc.ts` writes it anew, and test/errors-doc.test.ts
// holds the two equal. Each code has its own heading, which is where a problem's `type` (`/errors#code`) points.
import { writeFileSync } from "node:fs";
import { status as grpc } from "@grpc/grpc-js";
import { type ErrorCode, errorEntry, ERRORS } from "../core/errors.ts";

const INTRODUCTION = `# Errors

Made from \`core/errors.ts\` by \`node cli/errors-doc.ts\`; a test holds the two equal.

A code is stable: programs may rely on it, people may look it up here. Over HTTP an error is an RFC 9457 problem whose
\`code\` it is and whose \`type\` is \`/errors#code\`; over gRPC it travels as trailing metadata \`wjf-code\` beside the
status. \`detail\` names a field and a rule, never a value that came from a person. Where the same request may succeed
later the problem says \`"retryable": true\` and the answer carries \`Retry-After\`: repeat it with the same query id.`;

/** The whole page. */
export function errorsMarkdown(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return `${[INTRODUCTION, ...codes.map(section)].join("\n\n")}\n`;
}

function section(code: ErrorCode): string {
  const { title, next, http, grpc: status, retryable } = errorEntry(code);
  const facts = [`HTTP ${http}`, `gRPC ${grpc[status]}`, ...(retryable ? ["retryable"] : [])];
  return `## ${code}\n\n${title} ${next}\n\n${facts.join(" · ")}`;
}

if (import.meta.main) {
  writeFileSync(new URL("../docs/ERRORS.md", import.meta.url), errorsMarkdown());
}
