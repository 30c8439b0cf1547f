// The redacting logger: JSON lines on standard error. Callers log ids and codes; whatever slips in under a
// known personal or secret field name is censored, and errors are reduced to code and stack.
import { type LogFn, type Logger, pino } from "pino";
import { WjfError } from "./errors.ts";
import { traceId } from "./tracing.ts";

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
  "subject",
  "claim",
  "login_hint",
  "contact",
  "password",
  "cookie",
].flatMap((field) => [field, `*.${field}`]);

function serialiseError(error: unknown): unknown {
  if (error instanceof WjfError) {
    return { errorCode: error.code, detail: error.detail, cause: serialiseError(error.cause) };
  }
  // A foreign error's message may repeat its input; only where it came from is kept.
  if (error instanceof Error) {
    const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
    const at = frames.slice(0, 5).join("\n");
    return { kind: error.name, at, cause: serialiseError(error.cause) };
  }
  return undefined;
}

/** pino, and who follows its habits, takes an error's message for the line's own where none is given. */
function withoutErrorText(parameters: unknown[]): unknown[] {
  const [first, message, ...rest] = parameters;
  const { err = first, error = err } = (first ?? {}) as { err?: unknown; error?: unknown };
  if (!(error instanceof Error)) return parameters;
  const own = message === undefined || message === error.message ? "an error" : message;
  return [first, own, ...rest];
}

/** From a line to its trace, where there is one. */
function traceFields(): object {
  const id = traceId();
  return id === undefined ? {} : { trace_id: id };
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
    hooks: {
      logMethod(this: Logger, parameters: unknown[], method: LogFn) {
        method.apply(this, withoutErrorText(parameters) as Parameters<LogFn>);
      },
    },
    mixin: traceFields,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return options.destination
    ? pino(settings, options.destination)
    : pino(settings, pino.destination(2));
}

export const silentLogger: Logger = pino({ level: "silent" });
