// Sending a code to a person's phone. A provider gets a template and its parameters, as the carriers' gateways want
// them (free text is not allowed there); nothing here keeps, logs or repeats the number.
// The sandbox provider writes to a file instead, and refuses to be used in production.
import { appendFile, chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";

export interface SmsMessage {
  /** E.164, normalised. */
  readonly to: string;
  readonly template: "consent-request" | "sign-in";
  readonly code: string;
  /** Where the person reads what is asked and decides. */
  readonly link?: string;
  /** Who asks. */
  readonly institution?: string;
}

/**
 * Hands one message to the carrier. Resolves when the carrier has taken it; throws when it has not. Not retried by
 * callers: the person can ask for another code.
 */
export interface SmsProvider {
  readonly name: string;
  send(message: SmsMessage): Promise<void>;
}

/** The text as the person reads it, for carriers and the sandbox alike. */
export function smsText(message: SmsMessage): string {
  const { code, link = "", institution = "" } = message;
  return message.template === "consent-request"
    ? `【微积分授权】${institution}请求查询您的信息。验证码${code}，请勿告诉他人。查看并决定：${link} ` +
        `(${institution} asks to query your information. Code ${code}; decide at the link.)`
    : `【微积分授权】登录验证码${code}，10分钟内有效，请勿告诉他人。(Sign-in code ${code}, valid for 10 minutes.)`;
}

/** True when this process says it serves real people. */
export function isProduction(env: NodeJS.ProcessEnv = process.env): boolean {
  return env["NODE_ENV"] === "production" || env["WJF_ENV"] === "production";
}

/** One line of the sandbox outbox. */
export const OutboxMessage = z.object({
  to: z.string(),
  template: z.enum(["consent-request", "sign-in"]),
  code: z.string(),
  link: z.string().optional(),
  institution: z.string().optional(),
  text: z.string(),
});
export type OutboxMessage = z.infer<typeof OutboxMessage>;

/** Appends every message to a file (0600). @throws WjfError `config-invalid` in production. */
export function sandboxSms(outboxPath: string, env: NodeJS.ProcessEnv = process.env): SmsProvider {
  if (isProduction(env))
    throw new WjfError("config-invalid", "sms: the sandbox provider in production");
  return {
    name: "sandbox",
    async send(message) {
      await mkdir(dirname(outboxPath), { recursive: true, mode: 0o700 });
      const line = JSON.stringify({ ...message, text: smsText(message) } satisfies OutboxMessage);
      await appendFile(outboxPath, `${line}\n`, { mode: 0o600 });
      await chmod(outboxPath, 0o600);
    },
  };
}
