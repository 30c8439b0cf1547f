// Model packages for tests: a draft over sub-scores, an owner's key, the authority's key, and folders that go away.
import type { KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  admitPackage,
  type OpenedPackage,
  openPackage,
  type PackageFile,
  signPackage,
} from "../../catalogue/index.ts";
import {
  generateP256,
  importPrivate,
  importPublic,
  type PrivateP256Jwk,
  PublicP256Jwk,
  publicP256,
} from "../../crypto/index.ts";

export const OWNER = "demo-bank";

export interface Signer {
  readonly jwk: PrivateP256Jwk;
  readonly private: KeyObject;
  readonly public: KeyObject;
}

export function signer(): Signer {
  const jwk = generateP256("sig");
  return { jwk, private: importPrivate(jwk), public: importPublic(publicP256(jwk)) };
}

export function draft(
  version = 1,
  weights: Readonly<Record<string, number>> = { stability: 60, fulfilment: 40 },
) {
  return {
    format: 1,
    owner: OWNER,
    description: { zh: "测试模型", en: "A model under test" },
    model: {
      id: "risk-model:test",
      version,
      catalogue_version: 1,
      zh: "测试模型",
      en: "Test model",
      owner: OWNER,
      good: "high",
      weight: { indicator: "loy.history_months", min: 1, max: 255 },
      offset: 0,
      min: 0,
      max: 100,
      divisor: Object.values(weights).reduce((sum, weight) => sum + weight, 0),
      dimensions: Object.entries(weights).map(([use, weight]) => ({ use, weight })),
      bands: [
        { id: "low", from: 75, zh: "低风险", en: "low risk" },
        { id: "high", from: 0, zh: "高风险", en: "high risk" },
      ],
    },
  };
}

/** Signed by the owner and admitted by the authority. */
export function admitted(
  value: unknown,
  owner: Signer,
  authority: Signer,
): { readonly file: PackageFile; readonly opened: OpenedPackage } {
  const signed = signPackage(value, owner.private);
  const opened = openPackage(signed, owner.public);
  const admission = {
    product: opened.ref,
    package_sha256: opened.sha256,
    owner: opened.body.owner,
    owner_key: PublicP256Jwk.parse(publicP256(owner.jwk)),
    admitted_at: "2026-11-24T00:00:00.000Z",
  };
  return { file: admitPackage(signed, admission, authority.private), opened };
}

export class TemporaryFolder {
  readonly path = mkdtempSync(join(tmpdir(), "wjf-models-"));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
