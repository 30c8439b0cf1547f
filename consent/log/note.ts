// Signed notes (c2sp.org/signed-note): text, a blank line, signature lines. Ed25519 notes (type 0x01) and ML-DSA-44
// checkpoint cosignatures (type 0x06, c2sp.org/tlog-cosignature) over node:crypto. Keys come in from the caller; this
// file reads no file, and a private key never leaves the signer that was made from it.
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { sha256 } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import { isWholeCheckpoint, parseCheckpointBody } from "./checkpoint-body.ts";

/** Signs notes under one key. `nowMs` is stated by the key types that carry a time. */
export interface NoteSigner {
  readonly name: string;
  /** The public half, to be given to verifiers: `<name>+<key id>+<key>`. */
  readonly verifierKey: string;
  readonly keyId: Buffer;
  sign(text: string, nowMs: number): Buffer;
}

export interface NoteVerifier {
  readonly name: string;
  readonly keyId: Buffer;
  readonly algorithm: "ed25519" | "ml-dsa-44";
  verify(text: string, signature: Buffer): boolean;
}

export interface OpenedNote {
  readonly text: string;
  /** The given keys whose signatures verified, as `name+id`. */
  readonly signedBy: readonly string[];
}

const ED25519 = 0x01;
const ML_DSA_44 = 0x06;
/** A timestamp and an ML-DSA-44 signature (FIPS 204 table 2). */
const COSIGNATURE_BYTES = 8 + 2420;
// Post-quantum signatures reach 5 kB; the specification asks for at least 16 of them.
const NOTE_BYTES_MAX = 256 * 1024;
const SIGNATURES_MAX = 32;

/** An Ed25519 or ML-DSA-44 private key as a signer, by its type. @throws WjfError `config-invalid`. */
export function noteSigner(name: string, privateKey: KeyObject): NoteSigner {
  checkName(name);
  const publicKey = rawPublicKey(createPublicKey(privateKey));
  const type = privateKey.asymmetricKeyType === "ed25519" ? ED25519 : ML_DSA_44;
  const keyId = computeKeyId(name, type, publicKey);
  const key = Buffer.concat([Buffer.of(type), publicKey]).toString("base64");
  return {
    name,
    keyId,
    verifierKey: `${name}+${keyId.toString("hex")}+${key}`,
    sign(text, nowMs) {
      if (type === ED25519) return sign(null, Buffer.from(text), privateKey);
      const timestamp = Buffer.alloc(8);
      timestamp.writeBigUInt64BE(BigInt(Math.floor(nowMs / 1000)));
      const message = cosignedMessage(name, timestamp, text);
      return Buffer.concat([timestamp, sign(null, message, privateKey)]);
    },
  };
}

/** Reads a verifier key (`vkey`). @throws WjfError `config-invalid`. */
export function noteVerifier(verifierKey: string): NoteVerifier {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(verifierKey);
  const material = decodeBase64(match?.[3] ?? "");
  if (match === null || material === undefined) throw badKey("not name+id+key");
  const [, name = "", id] = match;
  const [type, raw] = [material[0], material.subarray(1)];
  if (type !== ED25519 && type !== ML_DSA_44) throw badKey("neither Ed25519 nor ML-DSA-44");
  const keyId = computeKeyId(name, type, raw);
  if (keyId.toString("hex") !== id) throw badKey("the id is not this key's");
  const publicKey = publicKeyFrom(type, raw);
  return type === ED25519
    ? {
        name,
        keyId,
        algorithm: "ed25519",
        verify: (text, signature) => verify(null, Buffer.from(text), publicKey, signature),
      }
    : {
        name,
        keyId,
        algorithm: "ml-dsa-44",
        verify(text, signature) {
          const timestamp = signature.subarray(0, 8);
          // What this signature does not cover (extension lines) must not be there to be believed.
          if (signature.length !== COSIGNATURE_BYTES || !isWholeCheckpoint(text)) return false;
          return verify(
            null,
            cosignedMessage(name, timestamp, text),
            publicKey,
            signature.subarray(8),
          );
        },
      };
}

/** The text under every signer's signature. The text ends in a newline. */
export function signNote(text: string, signers: readonly NoteSigner[], nowMs: number): string {
  const lines = signers.map((signer) => {
    const signature = Buffer.concat([signer.keyId, signer.sign(text, nowMs)]);
    return `— ${signer.name} ${signature.toString("base64")}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

interface ParsedNote {
  readonly text: string;
  readonly signatures: readonly { name: string; keyId: Buffer; signature: Buffer }[];
}

/** Splits a note without believing it. @throws WjfError `log-invalid`. */
export function parseNote(note: string): ParsedNote {
  // eslint-disable-next-line no-control-regex -- the specification excludes exactly these
  if (note.length > NOTE_BYTES_MAX || /[\x00-\x09\x0b-\x1f\ufffd]/.test(note)) {
    throw new WjfError("log-invalid", "note: too long, or not plain text");
  }
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new WjfError("log-invalid", "note: no signatures");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new WjfError("log-invalid", "note: too many signatures");
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/**
 * Believes a note: every signature by one of the given keys must verify, and there must be at least one. Signatures by
 * other keys are ignored. @throws WjfError `log-invalid`.
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const signedBy = new Set<string>();
  for (const { name, keyId, signature } of signatures) {
    const known = verifiers.find((each) => each.name === name && each.keyId.equals(keyId));
    if (known === undefined) continue;
    const label = `${name}+${keyId.toString("hex")}`;
    if (!known.verify(text, signature)) {
      throw new WjfError("log-invalid", `note: the signature of ${label} does not verify`);
    }
    signedBy.add(label);
  }
  if (signedBy.size === 0) throw new WjfError("log-invalid", "note: not signed by any known key");
  return { text, signedBy: [...signedBy] };
}

function parseSignatureLine(line: string): ParsedNote["signatures"][number] {
  const match = /^— ([^+\s]+) ([A-Za-z0-9+/=]+)$/.exec(line);
  const bytes = decodeBase64(match?.[2] ?? "");
  if (match === null || bytes === undefined || bytes.length < 5) {
    throw new WjfError("log-invalid", "note: a signature line is malformed");
  }
  return { name: match[1] as string, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** Canonical padded base64 only (RFC 4648 §4): two spellings of one signature would be two notes. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return text !== "" && bytes.toString("base64") === text ? bytes : undefined;
}

/** `cosigned_message` of c2sp.org/tlog-cosignature "ML-DSA-44 signed message", for a whole checkpoint. */
function cosignedMessage(cosigner: string, timestamp: Uint8Array, text: string): Buffer {
  const { origin, size, root } = parseCheckpointBody(text);
  const range = Buffer.alloc(16);
  range.writeBigUInt64BE(BigInt(size), 8);
  return Buffer.concat([
    Buffer.from("subtree/v1\n\0"),
    shortOpaque(cosigner),
    timestamp,
    shortOpaque(origin),
    range,
    root,
  ]);
}

/** `opaque<1..2^8-1>` of RFC 8446 §3.4. */
function shortOpaque(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new WjfError("log-invalid", "a name is longer than 255 bytes");
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function computeKeyId(name: string, type: number, publicKey: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey])).subarray(
    0,
    4,
  );
}

function rawPublicKey(publicKey: KeyObject): Buffer {
  const jwk: { x?: string; pub?: string } = publicKey.export({ format: "jwk" });
  const raw = publicKey.asymmetricKeyType === "ed25519" ? jwk.x : jwk.pub;
  const supported = ["ed25519", "ml-dsa-44"].includes(publicKey.asymmetricKeyType ?? "");
  if (!supported || typeof raw !== "string") throw badKey("neither Ed25519 nor ML-DSA-44");
  return Buffer.from(raw, "base64url");
}

function publicKeyFrom(type: number, raw: Buffer): KeyObject {
  const bytes = raw.toString("base64url");
  const jwk =
    type === ED25519
      ? { kty: "OKP", crv: "Ed25519", x: bytes }
      : { kty: "AKP", alg: "ML-DSA-44", pub: bytes };
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch (cause) {
    throw new WjfError("config-invalid", "log key: not a public key of its type", { cause });
  }
}

function checkName(name: string): void {
  if (!/^[^+\s]{1,255}$/u.test(name)) throw badKey("a name without spaces and plus signs");
}

function badKey(rule: string): WjfError {
  return new WjfError("config-invalid", `log key: ${rule}`);
}
