// Signed notes and checkpoints: examples of c2sp.org/signed-note and of golang.org/x/mod/sumdb/note, then our own keys.
import { createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { formatCheckpointBody } from "../../../consent/log/checkpoint-body.ts";
import { openCheckpoint, signCheckpoint } from "../../../consent/log/checkpoint.ts";
import { EMPTY_ROOT } from "../../../crypto/merkle.ts";
import { noteSigner, noteVerifier, openNote, signNote } from "../../../consent/log/note.ts";
import { ed25519Key, mlDsaKey, newKey, ORIGIN, START_MS } from "./log-fixtures.ts";

// c2sp.org/signed-note, "Example".
const SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

// golang.org/x/mod/sumdb/note, ExampleSign and ExampleOpen: the private key there is base64(1 ‖ seed).
const GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SEED = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
const GO_TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_LINE =
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

describe("the examples of others", () => {
  test("the specification's note opens with the specification's key", () => {
    const { text, signedBy } = openNote(SPEC_NOTE, [noteVerifier(SPEC_KEY)]);
    expect(text).toBe("This is an example message.\n");
    expect(signedBy).toEqual(["example.com/foo+530d903a"]);
  });

  test("Go's example: the same seed gives the same key and, Ed25519 being deterministic, the same note", () => {
    // RFC 8410 §7: a PKCS #8 Ed25519 key is this prefix and the seed.
    const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
    const der = Buffer.concat([prefix, GO_SEED]);
    const signer = noteSigner(
      "PeterNeumann",
      createPrivateKey({ key: der, format: "der", type: "pkcs8" }),
    );
    expect(signer.verifierKey).toBe(GO_KEY);
    expect(signNote(GO_TEXT, [signer], 0)).toBe(`${GO_TEXT}\n${GO_LINE}`);
    expect(openNote(`${GO_TEXT}\n${GO_LINE}`, [noteVerifier(GO_KEY)]).text).toBe(GO_TEXT);
  });
});

const ed25519 = noteSigner(ORIGIN, ed25519Key);
const mlDsa = noteSigner(ORIGIN, mlDsaKey);
const body = { origin: ORIGIN, size: 0, root: EMPTY_ROOT };
const both = [ed25519.verifierKey, mlDsa.verifierKey];

/** Flips a bit in the last line's bytes: 4 of key id, then (ML-DSA-44) 8 of time, then the signature. */
function spoilLastSignature(note: string, at = 40): string {
  return note.replace(/\S+\n$/, (signature) => {
    const bytes = Buffer.from(signature, "base64");
    bytes[at] = (bytes[at] as number) ^ 1;
    return `${bytes.toString("base64")}\n`;
  });
}

describe("checkpoints", () => {
  test("have origin, size and root, and one line for each signature", () => {
    const note = signCheckpoint({ ...body, size: 20_852_163 }, [ed25519, mlDsa], START_MS);
    expect(note.split("\n").slice(0, 4)).toEqual([
      ORIGIN,
      "20852163",
      EMPTY_ROOT.toString("base64"),
      "",
    ]);
    expect(openCheckpoint(note, both).signedBy).toHaveLength(2);
    for (const key of both) expect(openCheckpoint(note, [key]).signedBy).toHaveLength(1);
  });

  test("the ML-DSA-44 line carries type 0x06, its time and 2,420 bytes of signature", () => {
    expect(Buffer.from(mlDsa.verifierKey.split("+").slice(2).join("+"), "base64")[0]).toBe(6);
    const note = signCheckpoint(body, [mlDsa], START_MS);
    const line = Buffer.from(note.trimEnd().split(" ").at(-1) as string, "base64");
    expect(line.length).toBe(4 + 8 + 2420);
    expect(line.readBigUInt64BE(4)).toBe(BigInt(START_MS / 1000));
  });

  test.each(["size", "root", "time", "extension"])("a changed %s is refused", (what) => {
    const note = signCheckpoint({ ...body, size: 7 }, [mlDsa], START_MS);
    const changed = {
      size: note.replace("\n7\n", "\n8\n"),
      root: note.replace(EMPTY_ROOT.toString("base64"), Buffer.alloc(32).toString("base64")),
      time: spoilLastSignature(note, 11),
      // Not covered by an ML-DSA cosignature, so it must not be let through beside one.
      extension: note.replace("\n\n", "\nextension\n\n"),
    }[what] as string;
    expect(changed).not.toBe(note);
    expect(() => openCheckpoint(changed, [mlDsa.verifierKey])).toThrow("does not verify");
  });

  test("one bad signature by a known key spoils the note, one by a stranger does not", () => {
    const stranger = noteSigner(ORIGIN, newKey("ed25519"));
    const note = signCheckpoint(body, [ed25519, stranger], START_MS);
    expect(openCheckpoint(note, [ed25519.verifierKey]).size).toBe(0);
    const spoilt = spoilLastSignature(note);
    expect(openCheckpoint(spoilt, [ed25519.verifierKey]).size).toBe(0);
    const keys = [ed25519.verifierKey, stranger.verifierKey];
    expect(() => openCheckpoint(spoilt, keys)).toThrow("does not verify");
    expect(() => openCheckpoint(note, [noteSigner("x", newKey("ed25519")).verifierKey])).toThrow(
      "not signed by any known key",
    );
  });

  test("another log's key does not speak for this one", () => {
    const other = noteSigner("other.example/log", ed25519Key);
    const note = signNote(formatCheckpointBody(body), [other], START_MS);
    expect(() => openCheckpoint(note, [other.verifierKey])).toThrow("key of its own log");
  });

  test.each([
    ["no root", `${ORIGIN}\n0\n`],
    ["a size with a zero in front", `${ORIGIN}\n01\n${EMPTY_ROOT.toString("base64")}\n`],
    ["a short root", `${ORIGIN}\n1\nAAAA\n`],
    ["an empty origin", `\n1\n${EMPTY_ROOT.toString("base64")}\n`],
    ["a size beyond 2^53", `${ORIGIN}\n9999999999999999\n${EMPTY_ROOT.toString("base64")}\n`],
  ])("%s is refused", (_, text) => {
    const note = signNote(text, [ed25519], START_MS);
    expect(() => openCheckpoint(note, [ed25519.verifierKey])).toThrow("not origin, size and root");
  });
});

test.each([
  ["no id", "example.com/foo"],
  ["another id", SPEC_KEY.replace("530d903a", "530d903b")],
  ["another type", "example.com/foo+530d903a+CCkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"],
])("a verifier key with %s is refused", (_, key) => {
  expect(() => noteVerifier(key)).toThrow("log key");
});
