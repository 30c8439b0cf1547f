// A province drained for maintenance, and back. A failure: an answer on the wrong coverage, a province that does not come back.
import { afterAll, beforeAll, expect, test } from "vitest";
import { partyFolder } from "../../core/config.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { drain, resume } from "../../province-node/index.ts";
import { Bank } from "./bank.ts";
import { type Federation, startFederation } from "./federation.ts";

let federation: Federation;
let bank: Bank;
beforeAll(async () => {
  federation = await startFederation({ provinces: 3, peoplePerProvince: 8 });
  bank = await Bank.register(federation);
});
afterAll(() => federation[Symbol.asyncDispose]());

async function coverage(): Promise<unknown> {
  const home = federation.truth.find(({ numbers }) => numbers[0]?.province === "11");
  const consent = await bank.consent({ subject: home?.numbers[0]?.msisdn as string });
  const reply = await bank.ask(consent, "credit-score@1");
  expect(reply.status).toBe(200);
  return reply.coverage;
}

async function stateOf13(): Promise<unknown> {
  const response = await fetch(`${federation.gateway.url}/v1/federation`);
  const { provinces } = (await response.json()) as { provinces: { code: string; state: string }[] };
  return provinces.find(({ code }) => code === "13")?.state;
}

test("the federation goes on without a drained province, and with it once it is back", async () => {
  const folder = partyFolder(federation.settings.home, "13" as ProvinceCode);
  const [all, two] = [
    { answered: 3, of: 3 },
    { answered: 2, of: 3 },
  ];
  expect(await coverage()).toEqual(all);
  drain(folder);
  expect(await coverage()).toEqual(two);
  expect(await stateOf13()).toBe("drained");
  resume(folder);
  // The gateway tries again after a second at the latest: until then, answers go on without it.
  let last: unknown;
  do {
    last = await coverage();
    expect([two, all]).toContainEqual(last);
  } while (JSON.stringify(last) === JSON.stringify(two));
  expect(await stateOf13()).toBe("up");
});
