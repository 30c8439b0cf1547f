// The token-signing keys: a key is published before it signs and after, and the status lists over HTTP are signed with
// it; a stock JWKS client verifies both across a rotation.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { ManualClock, systemClock } from "../../core/clock.ts";
import { StatusListCache } from "../../consent/status-list.ts";
import {
  createSigningKeys,
  loadSigningKeys,
  publicTokenKeys,
  rotateSigningKeys,
  saveSigningKeys,
  tokenKeyObjects,
} from "../../consent/oidc/signing-keys.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { askForConsent, decide } from "./approval-browser.ts";
import { openFixture } from "./oidc-fixture.ts";

test("rotation: the next key becomes the current one; a retired one goes when its last token is over", async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const first = await createSigningKeys();
  const second = await rotateSigningKeys(first, clock, 1000);
  expect(second.current).toEqual(first.next);
  const kids = publicTokenKeys(second).map(({ kid }) => kid);
  expect(kids.slice(0, 1)).toEqual([first.next.kid]);
  expect(kids).toContain(first.current.kid);
  expect(JSON.stringify(publicTokenKeys(second))).not.toContain('"d"');
  clock.advance(1000);
  const third = await rotateSigningKeys(second, clock, 1000);
  expect(publicTokenKeys(third).map(({ kid }) => kid)).not.toContain(first.current.kid);
});

test("the key file is secret, and comes back as it was", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wjf-keys-"));
  try {
    const path = join(folder, "token.keys");
    const keys = await createSigningKeys();
    saveSigningKeys(path, keys);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(loadSigningKeys(path)).toEqual(keys);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("status lists over HTTP, before and after a rotation, verify by the published keys", async () => {
  await using fixture = await openFixture();
  const { service, origin } = fixture;
  const jwks = new URL(`${origin}/oidc/jwks`);
  const read = async () => {
    const response = await fetch(`${origin}/status-lists/0`);
    expect(response.headers.get("content-type")).toBe("application/statuslist+jwt");
    const token = await response.text();
    await jwtVerify(token, createRemoteJWKSet(jwks), { typ: "statuslist+jwt", issuer: origin });
    return decodeProtectedHeader(token).kid;
  };
  const before = await read();
  service.useKeys(await rotateSigningKeys(service.signingKeys, systemClock, 60_000));
  await service.statusLists.rebuild(0);
  const after = await read();
  expect(after).not.toBe(before);
  const { keys } = (await (await fetch(jwks)).json()) as { keys: { kid: string; d?: string }[] };
  expect(keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining([before, after]));
  expect(keys.every(({ d }) => d === undefined)).toBe(true);
  const { status_lists } = (await (await fetch(`${origin}/status-lists`)).json()) as {
    status_lists: string[];
  };
  expect(status_lists).toEqual([`${origin}/status-lists/0`]);
  expect((await fetch(`${origin}/status-lists/99`)).status).toBe(404);
});

test("a withdrawal reaches whoever fetches the list", async () => {
  await using fixture = await openFixture();
  const { service, options, db, origin } = fixture;
  const { link, code, id } = await askForConsent(fixture, ["id-check@1"]);
  await decide(link, { decision: "approve", code, recipient: "yes" });
  const { status } = await readConsent(db, options.atRest, id);
  const uri = `${origin}/status-lists/${status?.list}`;
  const reference = { status_list: { uri, idx: status?.index ?? -1 } };
  const cache = new StatusListCache(systemClock);
  const refresh = async () => {
    const token = await (await fetch(uri)).text();
    await cache.update(uri, token, tokenKeyObjects(service.signingKeys), origin);
  };
  await refresh();
  expect(() => cache.requireValid(reference)).not.toThrow();
  await options.transact((tx) => service.lifecycle.change(tx, id, "revoke", "operator"));
  await service.statusLists.rebuild(0);
  await refresh();
  expect(() => cache.requireValid(reference)).toThrow(
    expect.objectContaining({ code: "consent-revoked" }),
  );
});
