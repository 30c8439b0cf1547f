// The token-signing key is rotated while questions are asked, twice. Failure: one question that is not answered, a token of
// before or after that does not verify, a second rotation before the first is known everywhere.
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { rotateTokenKeys } from "../../consent/token-keys.ts";
import { systemClock } from "../../core/clock.ts";
import type { GivenConsent } from "../federation/bank.ts";
import { openScene, type Scene } from "../federation/scene.ts";

const PRODUCT = "credit-score@1";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ provinces: 2 });
});
afterAll(async () => scene[Symbol.asyncDispose]());

async function give(): Promise<GivenConsent> {
  const subject = scene.msisdn(1);
  return await scene.bank.consent({ subject, maxUses: 10_000, products: [PRODUCT] });
}

async function gatewayEpoch(): Promise<number> {
  const response = await fetch(`${scene.federation.gateway.url}/v1/federation`);
  return ((await response.json()) as { epoch: number }).epoch;
}

async function untilEpoch(number: number): Promise<void> {
  while ((await gatewayEpoch()) < number) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("two rotations under load: every question is answered, with old tokens and new", async () => {
  const folder = join(scene.federation.settings.home, "authority");
  const { rootPublicKey } = readAuthoritySecrets(join(folder, "secrets"));
  const rotate = () => rotateTokenKeys(folder, rootPublicKey, systemClock);
  const consents = [await give()];
  const statuses: number[] = [];
  const stop = new AbortController();
  const worker = async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const consent = consents[i % consents.length] as GivenConsent;
      const response = await scene.bank.send(consent, { product: PRODUCT });
      if (response.status !== 200) process.stderr.write(`${await response.text()}\n`);
      else await response.body?.cancel();
      statuses.push(response.status);
    }
  };
  const workers = Promise.all(Array.from({ length: 4 }, worker));
  const first = await gatewayEpoch();
  for (let rotation = 1; rotation <= 2; rotation++) {
    const { current, next } = await rotate();
    // At once: verifiers know the key that now signs, and not yet the one that comes after it.
    consents.push(await give());
    expect(decodeProtectedHeader(consents.at(-1)?.token ?? "").kid).toBe(current.kid);
    await expect(rotate()).rejects.toMatchObject({ code: "config-invalid" });
    await untilEpoch(first + rotation);
    const jwks = await fetch(`${scene.federation.authority.url}/oidc/jwks`);
    const { keys } = (await jwks.json()) as { keys: { kid: string }[] };
    expect(keys.map(({ kid }) => kid).slice(0, 2)).toEqual([current.kid, next.kid]);
    const before = statuses.length;
    while (statuses.length < before + 12) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  stop.abort();
  await workers;
  expect(new Set(consents.map(({ token }) => decodeProtectedHeader(token).kid)).size).toBe(3);
  expect(statuses.length).toBeGreaterThan(24);
  expect(new Set(statuses)).toEqual(new Set([200]));
  process.stderr.write(`${statuses.length} questions, all answered, over two rotations\n`);
});
