// What the verifier says of training leaves that break the rules among themselves, each bent in one respect.
import { expect, test } from "vitest";
import { HistoryCheck } from "../../../consent/log/history-check.ts";
import { decodeLeaf, encodeLeaf, type LeafDraft } from "../../../consent/log/leaf.ts";

const JOB = "3f0c6a52-6c1e-4c57-9d38-1f1d5f4d7a10";
const HASH = "a".repeat(64);
const parties = { type: "training", job_id: JOB, client_id: "bank" } as const;

const admitted: LeafDraft = {
  ...parties,
  event: "admitted",
  purpose: "dpv:CreditChecking",
  lawful_basis: { basis: "dpv:Contract", reference: "clause 7" },
  features: ["id.age_years"],
  provinces: ["11", "12"],
  people: 2000,
  max_rounds: 10,
  expires: "2026-12-01T00:00:00.000Z",
  statement_sha256: HASH,
};

function released(step: number, first: number, last: number, bent: object = {}): LeafDraft {
  const kind = step === 1 ? "admit" : "newton";
  const rounds = { first, last };
  return { ...parties, event: "released", step, kind, rounds, ask_sha256: HASH, ...bent };
}

const refused = {
  ...parties,
  event: "refused",
  step: 2,
  kind: "newton",
  code: "training-refused",
} as const;
const ended = { ...parties, event: "ended" } as const;

/** Of the leaves as they would stand in a log, one a second. */
function findings(leaves: readonly LeafDraft[], from = "2026-11-28T00:00:00.000Z"): string[] {
  const found: string[] = [];
  const check = new HistoryCheck((code, index, detail) => found.push(`${code} ${index} ${detail}`));
  leaves.forEach((draft, i) => {
    const time = new Date(Date.parse(from) + i * 1000).toISOString();
    check.observe(i, decodeLeaf(Buffer.from(encodeLeaf(draft, time))));
  });
  return found;
}

test("a job as it should be", () => {
  expect(findings([admitted, released(1, 1, 3), released(2, 4, 4), ended])).toEqual([]);
  expect(findings([admitted, released(1, 1, 2), refused])).toEqual([]);
  // Questions that failed half-way leave their rounds unused.
  expect(findings([admitted, released(1, 3, 5), released(2, 7, 7)])).toEqual([]);
});

test.each([
  ["never admitted", [released(1, 1, 2)]],
  ["admitted before", [admitted, admitted]],
  ["another institution", [admitted, released(1, 1, 2, { client_id: "other" })]],
  ["step 2 where 1 was the next", [admitted, released(2, 1, 2)]],
  ["rounds 2 to 3, not after 2", [admitted, released(1, 1, 2), released(2, 2, 3)]],
  ["rounds 4 to 3, not after 2", [admitted, released(1, 1, 2), released(2, 4, 3)]],
  ["round 11 of 10", [admitted, released(1, 1, 11)]],
  ["after it was refused", [admitted, released(1, 1, 2), refused, released(3, 3, 3)]],
  ["after it was ended", [admitted, ended, released(1, 1, 2)]],
  ["admitted first, once", [admitted, released(1, 1, 2, { kind: "newton" })]],
] as const)("%s", (what, leaves) => {
  expect(findings(leaves as readonly LeafDraft[])).toEqual([expect.stringContaining(what)]);
});

test("after the job's term", () => {
  expect(findings([admitted, released(1, 1, 2)], "2026-12-02T00:00:00.000Z")).toEqual([
    expect.stringContaining("training-order 1 after the job's term"),
  ]);
});
