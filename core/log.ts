// The redacting logger: JSON lines on standard error. Callers log ids and codes; whatever slips in under a
// known personal or secret field name is censored, and errors are reduced to code and stack.
import { pino, type Logger } from "pino";
import { WjfError } from "./errors.ts";

export type { Logger };

// Never logged at any depth up to two, whatever the caller passes.
const CENSORED = [
  "token",
  "proof",
  "claims",
  "body",
  "authorization",
  "dpop",
  "msisdn",
  "phone",
  "cn_id_number",
  "name",
  "address",
  "code",
  "answer",
  "secret",
  "key",
  "sub",
  "tag",
].flatMap((field) => [field, `*.${field}`]);

function serialiseError(error: unknown): unknown {
  if (error instanceof WjfError) {
    return { errorCode: error.code, detail: error.detail, cause: serialiseError(error.cause) };
  }
  // A foreign error's message may repeat its input; only where it came from is kept.
  if (error instanceof Error) {
    const at = error.stack?.split("\n").slice(1, 6).join("\n");
    return { kind: error.name, at, cause: serialiseError(error.cause) };
  }
  return undefined;
}

export interface LogOptions {
  readonly service: string;
  readonly level?: string;
  readonly destination?: { write(line: string): void };
}

export function createLogger(options: LogOptions): Logger {
  const settings = {
    base: { service: options.service, pid: process.pid },
    level: options.level ?? process.env["WJF_LOG_LEVEL"] ?? "info",
    redact: { paths: CENSORED, censor: "[redacted]" },
    serializers: { err: serialiseError, error: serialiseError },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return options.destination
    ? pino(settings, options.destination)
    : pino(settings, pino.destination(2));
}

export const silentLogger: Logger = pino({ level: "silent" });
