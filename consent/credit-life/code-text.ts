// How a code is written: ten symbols of Crockford's Base32 (no I, L, O, U), 50 bits, in two groups. What is read aloud or
// typed by hand comes back the same: case, spaces and hyphens do not count, and O, I and L are the digits they look like.
import type { Random } from "../../core/random.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SYMBOLS = 10;

export function newCode(random: Random): string {
  // 256 is a multiple of 32: every symbol is as likely.
  return [...random.bytes(SYMBOLS)].map((byte) => ALPHABET[byte & 31]).join("");
}

/** Undefined for what no code looks like. */
export function parseCode(text: string): string | undefined {
  const code = text
    .slice(0, 64)
    .toUpperCase()
    .replace(/[\s-]/g, "")
    .replaceAll("O", "0")
    .replace(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{10}$/.test(code) ? code : undefined;
}

export function showCode(code: string): string {
  return `${code.slice(0, 5)}-${code.slice(5)}`;
}
