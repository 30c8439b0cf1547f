// The record of the day a watch began: kept once, found by the same person and conditions only, gone when it is not asked for.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { BaselineStore } from "../../province-node/baseline-store.ts";
import { catalogue, record } from "./evaluate-records.ts";

const DAY_MS = 86_400_000;
const someone = randomBytes(32) as SubjectTag;
const at = (fee: number) => [record({ values: { "use.plan_fee": fee } })];
const place = [...catalogue.indicatorById.keys()].indexOf("use.plan_fee");

test("the first record stays, for this person and these conditions", () => {
  const folder = mkdtempSync(join(tmpdir(), "wjf-"));
  try {
    const path = join(folder, "baselines.db");
    const clock = new ManualClock(1_000 * DAY_MS);
    const ask = (fee: number, claims = "a", subject = someone, commit = true) => {
      using store = BaselineStore.open(path, clock);
      const session = store.begin(catalogue);
      const found = session.of(subject, claims, at(fee));
      if (commit) session.commit();
      return found[0]?.values[place];
    };
    const first = at(59)[0]?.values[place];
    const other = at(39)[0]?.values[place];
    expect(ask(39, "a", someone, false)).toBe(other);
    expect(ask(59)).toBe(first);
    expect(ask(39)).toBe(first);
    expect(ask(39, "b")).toBe(other);
    expect(ask(39, "a", randomBytes(32) as SubjectTag)).toBe(other);
    clock.advance(179 * DAY_MS);
    expect(ask(39)).toBe(first);
    clock.advance(181 * DAY_MS);
    expect(ask(39)).toBe(other);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
