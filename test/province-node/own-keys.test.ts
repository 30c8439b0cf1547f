// A province's own keys and those that are to follow. Failure: a key used that the roster does not name, one destroyed while an
// epoch in force names it, one made anew whose public half may have been sent.
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  createNodeKeys,
  enrolNode,
  OwnKeys,
  readOwnPair,
  renewNodeKeys,
} from "../../province-node/own-keys.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wjf-own-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("which pair serves is what the roster says; the old one ends when nothing in force names it", () => {
  const old = createNodeKeys(folder);
  const keys = new OwnKeys(folder);
  // Beside the running node.
  const next = renewNodeKeys(folder);
  expect(keys.of(old).maskKey.x).toBe(old.mask_key.x);
  expect(keys.of(next).maskKey.x).toBe(next.mask_key.x);
  keys.settle([old, next]);
  expect(keys.of(old).maskKey.x).toBe(old.mask_key.x);
  keys.settle([next, next]);
  expect(keys.of(next).maskKey.x).toBe(next.mask_key.x);
  expect(() => keys.of(old)).toThrow(expect.objectContaining({ code: "secret-missing" }));
  expect(readOwnPair(folder).maskKey.x).toBe(next.mask_key.x);
  const third = renewNodeKeys(folder);
  expect(third.mask_key.x).not.toBe(next.mask_key.x);
});

test("asked again before it is in force, the same is given", () => {
  const first = enrolNode(folder);
  expect(enrolNode(folder)).toEqual(first);
  const next = renewNodeKeys(folder);
  expect(renewNodeKeys(folder)).toEqual(next);
  expect(enrolNode(folder)).toEqual(first);
});

test("a crash between the two keys of a pair: both are found, and the rest follows", () => {
  createNodeKeys(folder);
  const next = renewNodeKeys(folder);
  renameSync(join(folder, "next", "signing.jwk"), join(folder, "signing.jwk"));
  const keys = new OwnKeys(folder);
  expect(keys.of(next).maskKey.x).toBe(next.mask_key.x);
  expect(() => renewNodeKeys(folder)).toThrow(expect.objectContaining({ code: "secret-missing" }));
  keys.settle([next]);
  expect(existsSync(join(folder, "next", "mask.jwk"))).toBe(false);
  expect(readOwnPair(folder).maskKey.x).toBe(next.mask_key.x);
});

test("without first keys nothing follows, and no node starts", () => {
  expect(() => renewNodeKeys(folder)).toThrow(expect.objectContaining({ code: "secret-missing" }));
  expect(() => new OwnKeys(folder)).toThrow(expect.objectContaining({ code: "secret-missing" }));
});
