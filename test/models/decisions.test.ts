// What a province's operator decides: pending until decided, about one package's hash, undone by one step.
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  loadCatalogue,
  type NumberRecord,
  requireProduct,
  withPackage,
} from "../../catalogue/index.ts";
import { ManualClock } from "../../core/clock.ts";
import {
  decide,
  decisionsPath,
  readDecisions,
  rollBack,
  stateOf,
} from "../../province-node/models/decisions.ts";
import { ModelGate } from "../../province-node/models/gate.ts";
import { readShadow } from "../../province-node/models/shadow-tally.ts";
import { admitted, draft, signer, TemporaryFolder } from "./package-fixture.ts";

const owner = signer();
const authority = signer();
const one = admitted(draft(1), owner, authority).opened;
const two = admitted(draft(2, { identity: 50, spending: 50 }), owner, authority).opened;
const three = admitted(draft(3, { identity: 100 }), owner, authority).opened;
const all = [one, two, three];
const catalogue = all.reduce(withPackage, loadCatalogue());
const clock = new ManualClock(Date.parse("2026-11-24T08:00:00Z"));

const states = (folder: string) => all.map((each) => stateOf(readDecisions(folder), each));

test("pending, then what was decided last; another package of the same name is pending again", () => {
  using folder = new TemporaryFolder();
  expect(states(folder.path)).toEqual(["pending", "pending", "pending"]);
  decide(folder.path, one, "approved", clock);
  decide(folder.path, two, "shadow", clock, "compare first");
  decide(folder.path, three, "approved", clock);
  decide(folder.path, three, "rejected", clock);
  expect(states(folder.path)).toEqual(["approved", "shadow", "rejected"]);
  const impostor = { ref: one.ref, sha256: two.sha256 };
  expect(stateOf(readDecisions(folder.path), impostor)).toBe("pending");
  expect(readDecisions(folder.path)[1]).toMatchObject({
    product: "risk-model:test@2",
    note: "compare first",
    decided_at: "2026-11-24T08:00:00.000Z",
  });
});

test("rollback ends the newest approved version and restores the one before it", () => {
  using folder = new TemporaryFolder();
  const back = () => rollBack(folder.path, all, "risk-model:test", clock);
  expect(back).toThrow(/nothing is approved/);
  decide(folder.path, one, "approved", clock);
  expect(back).toThrow(/no earlier version was ever approved/);
  decide(folder.path, two, "approved", clock);
  decide(folder.path, one, "rejected", clock);
  decide(folder.path, three, "rejected", clock);
  expect(back()).toEqual({ ended: "risk-model:test@2", restored: "risk-model:test@1" });
  expect(states(folder.path)).toEqual(["approved", "rejected", "rejected"]);
});

test("the gate refuses what is not approved, and follows a decision within a second", () => {
  using folder = new TemporaryFolder();
  using gate = new ModelGate(folder.path, clock);
  const product = requireProduct(catalogue, one.ref);
  const refused = expect.objectContaining({ code: "model-not-approved" });
  expect(() => gate.admit(product)).toThrow(refused);
  decide(folder.path, one, "approved", clock);
  clock.advance(1000);
  expect(gate.admit(product)).toBe("answer");
  decide(folder.path, one, "shadow", clock);
  clock.advance(1000);
  expect(gate.admit(product)).toBe("shadow");
  decide(folder.path, one, "rejected", clock);
  clock.advance(1000);
  expect(() => gate.admit(product)).toThrow(refused);
  // The software's own models are approved by running the software.
  expect(gate.admit(requireProduct(catalogue, "credit-score@1"))).toBe("answer");
});

test("decisions that cannot be read stop the node from answering, they do not approve", () => {
  using folder = new TemporaryFolder();
  decide(folder.path, one, "approved", clock);
  using gate = new ModelGate(folder.path, clock);
  writeFileSync(decisionsPath(folder.path), "[{}]");
  clock.advance(1000);
  expect(() => gate.admit(requireProduct(catalogue, one.ref))).toThrow(
    expect.objectContaining({ code: "config-invalid" }),
  );
});

function someone(months: number): NumberRecord {
  const values = catalogue.indicators.map(({ id }) =>
    id === "loy.history_months" ? months : null,
  );
  return { values, identity: { msisdn: "", cnId: null, name: null }, lists: {} };
}

test("what is in shadow is counted beside the version that is asked, by itself, and for nobody who is not held", () => {
  using folder = new TemporaryFolder();
  decide(folder.path, one, "approved", clock);
  decide(folder.path, two, "shadow", clock);
  {
    using gate = new ModelGate(folder.path, clock);
    const person = { numbers: [someone(12)] };
    gate.observe(requireProduct(catalogue, one.ref), person, catalogue);
    gate.observe(requireProduct(catalogue, two.ref), person, catalogue);
    gate.observe(requireProduct(catalogue, one.ref), undefined, catalogue);
    gate.observe(requireProduct(catalogue, one.ref), { numbers: [someone(0)] }, catalogue);
    gate.observe(requireProduct(catalogue, "credit-score@1"), person, catalogue);
  }
  const tally = readShadow(folder.path).get(two.ref);
  // Months of history 0 is still evidence, by the model's least weight.
  expect(tally?.scored).toBe(3);
  expect(tally?.compared).toBe(2);
  expect(tally?.buckets.reduce((sum, count) => sum + count, 0)).toBe(3);
  expect([...readShadow(folder.path).keys()]).toEqual([two.ref]);
});
