// The thin thread, whole: a question about a consenting person goes through gateway, nodes and authority with the real
// cryptography, and comes back right.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bank } from "./bank.ts";
import { type Federation, startFederation } from "./federation.ts";

let federation: Federation;
let bank: Bank;

beforeAll(async () => {
  federation = await startFederation({ provinces: 3 });
  bank = await Bank.register(federation);
});
afterAll(() => federation[Symbol.asyncDispose]());

function person(index: number) {
  const found = federation.truth[index];
  if (found === undefined) throw new Error("the sandbox is too small");
  return { ...found, msisdn: found.numbers[0]?.msisdn as string };
}

test("three elements: yes for the truth, no for another name, unknown for a stranger", async () => {
  const someone = person(1);
  const check = (name: string) => ({
    checks: [
      {
        indicator: "id.three_elements",
        claim: { msisdn: someone.msisdn, name, cn_id_number: someone.cnId },
      },
    ],
  });
  const consent = await bank.consent({ subject: someone.msisdn });
  const yes = await bank.ask(consent, "identity-verification@1", check(someone.name));
  expect(yes).toMatchObject({
    status: 200,
    answer: { kind: "yes_no", value: "yes" },
    coverage: { answered: 3, of: 3 },
  });
  expect(yes.receipt).toContain("c2sp.org/tlog-proof@v1");
  const no = await bank.ask(consent, "identity-verification@1", check("不是他"));
  expect(no.answer.value).toBe("no");
  const stranger = await bank.consent({ subject: "+8613900000000" });
  const unknown = await bank.ask(stranger, "identity-verification@1", check(someone.name));
  expect(unknown.answer.value).toBe("unknown");
});

test("a credit score by phone number and by ID number", async () => {
  const someone = person(2);
  const byPhone = await bank.ask(await bank.consent({ subject: someone.msisdn }), "credit-score@1");
  expect(byPhone.status).toBe(200);
  expect(byPhone.answer.value).toBeGreaterThanOrEqual(300);
  expect(byPhone.answer.value).toBeLessThanOrEqual(850);
  const byId = await bank.ask(await bank.consent({ subject: someone.cnId }), "credit-score@1");
  expect(byId.status).toBe(200);
  if (someone.numbers.length === 1) expect(byId.answer.value).toBe(byPhone.answer.value);
});
