// Packages: what is signed is what counts, what may be in one is bounded, and a party's folder never takes it down.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  installPackage,
  LiveCatalogue,
  loadCatalogue,
  openAdmitted,
  openPackage,
  parsePackage,
  parsePackageFile,
  readPackages,
  signPackage,
  slotWidth,
  withPackage,
} from "../../catalogue/index.ts";
import { ManualClock } from "../../core/clock.ts";
import { admitted, draft, signer, TemporaryFolder } from "./package-fixture.ts";

const owner = signer();
const authority = signer();
const stranger = signer();

const invalid = (detail: RegExp) =>
  expect.objectContaining({ code: "model-invalid", detail: expect.stringMatching(detail) });

test("a package becomes a product that is released as the built-in models are", () => {
  const { file, opened } = admitted(draft(), owner, authority);
  const catalogue = withPackage(loadCatalogue(), openAdmitted(file, authority.public));
  const product = catalogue.products.get(opened.ref);
  expect(product).toMatchObject({
    ref: "risk-model:test@1",
    kind: "score",
    claims: "none",
    partial: "known",
    package: { owner: "demo-bank", sha256: opened.sha256 },
    rule: { type: "weighted-mean" },
  });
  expect(product && slotWidth(product)).toBe(5);
  expect(catalogue.digest).not.toBe(loadCatalogue().digest);
  expect(loadCatalogue().products.has(opened.ref)).toBe(false);
});

test("the file is readable JSON, and survives being written and read", () => {
  const { file, opened } = admitted(draft(), owner, authority);
  const again = parsePackageFile(JSON.stringify(file, null, 4));
  expect(openAdmitted(again, authority.public).sha256).toBe(opened.sha256);
});

test("refused: another's signature, a changed package, another's admission, none at all", () => {
  const { file } = admitted(draft(), owner, authority);
  expect(() => openPackage(file, stranger.public)).toThrow(invalid(/^signature$/));
  expect(() => openAdmitted(file, stranger.public)).toThrow(invalid(/^signature$/));
  const { admission: _none, ...bare } = file;
  expect(() => openAdmitted(bare, authority.public)).toThrow(invalid(/^not admitted$/));
  const changed = structuredClone(file) as unknown as {
    package: { model: { bands: { from: number }[] } };
  };
  (changed.package.model.bands[0] as { from: number }).from = 10;
  expect(() => openAdmitted(changed as never, authority.public)).toThrow(invalid(/^signature$/));
});

test("refused: an admission carried over to another package of the same owner", () => {
  const first = admitted(draft(1), owner, authority).file;
  const second = signPackage(draft(2), owner.private);
  const mixed = { ...second, admission: first.admission } as typeof first;
  expect(() => openAdmitted(mixed, authority.public)).toThrow(invalid(/another package/));
});

test("refused: an owner's signature is not an admission, though both are by keys it trusts", () => {
  const { file } = admitted(draft(), owner, owner);
  const asAdmission = {
    ...file,
    admission: { statement: file.package, signature: file.signature },
  };
  expect(() => openAdmitted(asAdmission, owner.public)).toThrow(invalid(/^signature$/));
});

// JSON under test is spoiled on purpose, in ways that no type allows.
/* oxlint-disable typescript/no-explicit-any */
const SPOILS: Readonly<Record<string, readonly [change: (json: any) => void, detail: RegExp]>> = {
  "another format": [(json) => void (json.format = 2), /format/],
  "a built-in's name": [(json) => void (json.model.id = "credit-score"), /model\.id: must start/],
  "an owner that is not the model's": [(json) => void (json.owner = "other-bank"), /model\.owner/],
  "points counted at the authority": [
    (json) =>
      void (json.model.authority = [
        {
          id: "asked",
          zh: "问",
          en: "Asked",
          counts: "institutions",
          window_days: 30,
          bins: [{ points: 10 }],
          max: 10,
          reason: { code: "asked", zh: "问", en: "Asked" },
        },
      ]),
    /model\.authority: only built-in/,
  ],
  "a field that is not known": [(json) => void (json.sql = "DROP TABLE"), /1 field\(s\)/],
  "an unknown sub-score": [
    (json) => void (json.model.dimensions[0].use = "luck"),
    /dimensions\.0\.use: no such sub-score/,
  ],
  "another catalogue's indicators": [
    (json) => void (json.model.catalogue_version = 2),
    /catalogue_version: the catalogue is version 1/,
  ],
  "a sum that overflows the plaintext": [
    (json) => {
      json.model.max = 10_000;
      json.model.divisor = 1;
      json.model.dimensions = [{ use: "identity", weight: 1000 }];
    },
    /could reach the plaintext modulus/,
  ],
  "a built-in model's id and version": [
    (json) => void (json.model.id = "risk-model:rental"),
    /exists already/,
  ],
  "a built-in model's id in another version": [
    (json) => {
      json.model.id = "risk-model:rental";
      json.model.version = 7;
    },
    /belongs to somebody else/,
  ],
};

test.each(Object.entries(SPOILS))("refused: %s", (_, [change, detail]) => {
  const value = draft();
  change(value);
  expect(() => withPackage(loadCatalogue(), parsePackage(value))).toThrow(invalid(detail));
});

test("an id belongs to whoever brought it first", () => {
  const first = withPackage(loadCatalogue(), parsePackage(draft(1)));
  const other = draft(2);
  other.owner = "other-bank";
  other.model.owner = "other-bank";
  expect(() => withPackage(first, parsePackage(other))).toThrow(
    invalid(/belongs to somebody else/),
  );
  expect(withPackage(first, parsePackage(draft(2))).products.has("risk-model:test@2")).toBe(true);
});

test("a version is never replaced by another package of the same name", () => {
  using folder = new TemporaryFolder();
  const { file } = admitted(draft(), owner, authority);
  const path = installPackage(folder.path, file, authority.public);
  expect(installPackage(folder.path, file, authority.public)).toBe(path);
  const other = admitted(draft(1, { identity: 100 }), owner, authority).file;
  expect(() => installPackage(folder.path, other, authority.public)).toThrow(
    invalid(/another package has this id and version/),
  );
});

test("the live catalogue follows its folder, once a second, and leaves out what does not verify", () => {
  using folder = new TemporaryFolder();
  const clock = new ManualClock(1_000_000);
  const faults: string[] = [];
  const live = new LiveCatalogue({
    folder: join(folder.path, "models"),
    authorityKey: authority.public,
    clock,
    onFault: ({ file, error }) => faults.push(`${file}: ${error.code}`),
  });
  expect(live.products.size).toBe(loadCatalogue().products.size);
  installPackage(
    join(folder.path, "models"),
    admitted(draft(1), owner, authority).file,
    authority.public,
  );
  expect(live.products.has("risk-model:test@1")).toBe(false);
  clock.advance(1000);
  expect(live.products.has("risk-model:test@1")).toBe(true);
  const bad = join(folder.path, "models", "bad.package.json");
  writeFileSync(join(folder.path, "bad"), JSON.stringify(admitted(draft(2), owner, stranger).file));
  renameSync(join(folder.path, "bad"), bad);
  writeFileSync(join(folder.path, "models", "worse.package.json"), "{");
  clock.advance(1000);
  expect(live.products.has("risk-model:test@1")).toBe(true);
  expect(live.products.has("risk-model:test@2")).toBe(false);
  expect(faults.sort()).toEqual([
    "bad.package.json: model-invalid",
    "worse.package.json: model-invalid",
  ]);
  expect(readPackages(join(folder.path, "models"), authority.public).packages).toHaveLength(1);
});

test.each([
  ["half of a surrogate pair", String.raw`"\ud800"`],
  ["what nests without end", `${"[".repeat(5000)}${"]".repeat(5000)}`],
])("a file with %s is left out like any other that does not verify", (_, value) => {
  using folder = new TemporaryFolder();
  const { file } = admitted(draft(), owner, authority);
  const json = JSON.stringify(file).replace('"A model under test"', value);
  writeFileSync(join(folder.path, "x.package.json"), json);
  const { packages, faults } = readPackages(folder.path, authority.public);
  expect(packages).toEqual([]);
  expect(faults).toEqual([{ file: "x.package.json", error: invalid(/^package file: /) }]);
});
