// Who is held by a province does not show in its replies: same size always, and over 10,000 replies each no classifier tells
// them apart by time (AUC ≤ 0.55), with claims and without. The same measurement of times with a leak put in shows
// that it would find one.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Federation, startFederation } from "../federation/federation.ts";
import { learnedAuc, quantiles, type Timed, timeAuc } from "./classifier.ts";
import { ObservedNode, type Question } from "./observed-node.ts";

const CODE = "11";
const EACH = Number(process.env["WJF_MEMBERSHIP_EACH"] ?? 10_000);
const PEOPLE = 300;
const QUANTUM_MS = 5;

let federation: Federation;

beforeAll(async () => {
  federation = await startFederation({ provinces: 2, peoplePerProvince: PEOPLE });
}, 300_000);
afterAll(() => federation[Symbol.asyncDispose]());

interface Person {
  readonly msisdn: string;
  readonly held: boolean;
}

/** As many people whom the province holds as people nobody holds. */
function people(): readonly Person[] {
  const held = federation.truth.flatMap(({ numbers }) =>
    numbers
      .filter(({ province }) => province === CODE)
      .map(({ msisdn }) => ({ msisdn, held: true })),
  );
  const known = new Set(
    federation.truth.flatMap(({ numbers }) => numbers.map((each) => each.msisdn)),
  );
  const others = held
    .map(
      ({ msisdn }, i) =>
        `${msisdn.slice(0, -6)}${String((i * 7919 + 104_729) % 1_000_000).padStart(6, "0")}`,
    )
    .filter((msisdn) => !known.has(msisdn))
    .map((msisdn) => ({ msisdn, held: false }));
  return [...held, ...others];
}

function claimsAbout(msisdn: string): unknown {
  const claim = { msisdn, name: "张三", cn_id_number: "110101199003070070" };
  return {
    checks: [
      { indicator: "id.three_elements", claim },
      { indicator: "id.number_name", claim: { msisdn, name: "张三" } },
    ],
  };
}

async function questions(
  node: ObservedNode,
  product: string,
  claimed: boolean,
): Promise<Question[]> {
  return await Promise.all(
    people().map(({ msisdn, held }) =>
      node.question(msisdn, held, product, claimed ? claimsAbout(msisdn) : undefined),
    ),
  );
}

/** @param beside People nobody holds who are asked about in the same fan-out. */
async function observe(
  node: ObservedNode,
  pool: readonly Question[],
  { each, beside = 0 }: { readonly each: number; readonly beside?: number },
) {
  const kinds = [true, false].map((held) => pool.filter((question) => question.held === held));
  const timed: Timed[] = [];
  const sizes = new Set<number>();
  // The first ones warm both sides up.
  for (let i = -400; i < 2 * each; i++) {
    const kind = kinds[Math.random() < 0.5 ? 0 : 1] as Question[];
    const question = kind[Math.floor(Math.random() * kind.length)] as Question;
    // So that questions come at any moment of the node's clock.
    const until = performance.now() + Math.random();
    while (performance.now() < until);
    const others = Array.from({ length: beside }, (_, o) => kinds[1]![o]!);
    const { ms, bytes } = await node.ask(question, ...others);
    if (i < 0) continue;
    timed.push({ held: question.held, ms });
    sizes.add(bytes);
  }
  return { timed, sizes };
}

function report(what: string, timed: readonly Timed[]): { time: number; learned: number } {
  const [time, learned] = [timeAuc(timed), learnedAuc(timed)];
  const show = (held: boolean): string =>
    quantiles(timed, held)
      .map((ms) => ms.toFixed(2))
      .join(" / ");
  const count = timed.filter(({ held }) => held).length;
  process.stdout.write(
    `${what}: ${count} held, ${timed.length - count} not; p5/p50/p95 ms ${show(true)} against ${show(false)}; ` +
      `AUC of the time ${time.toFixed(4)}, of a learned classifier ${learned.toFixed(4)}\n`,
  );
  return { time, learned };
}

test.each([
  ["credit-score@1", false, 0],
  ["identity-verification@1", true, 0],
  // So many that what is not opened is only counted.
  ["identity-verification@1", true, 7],
] as const)(
  "%s, claims %s, beside %d others: same size, and time tells nothing",
  async (product, claimed, beside) => {
    await using node = await ObservedNode.start(federation, CODE, QUANTUM_MS);
    const pool = await questions(node, product, claimed);
    const { timed, sizes } = await observe(node, pool, { each: EACH, beside });
    const { time, learned } = report(`${product} beside ${beside}`, timed);
    expect([...sizes]).toHaveLength(1);
    expect(time).toBeLessThanOrEqual(0.55);
    expect(learned).toBeLessThanOrEqual(0.55);
  },
);

test("without the quantum too; and a leak of half a typical reply would be found", async () => {
  await using node = await ObservedNode.start(federation, CODE, 0);
  const pool = await questions(node, "identity-verification@1", true);
  const { timed } = await observe(node, pool, { each: Math.min(EACH, 3000) });
  report("identity-verification@1, no quantum", timed);
  const [, typical = 0] = quantiles(timed, true);
  const leaking = timed.map(({ held, ms }) => ({ held, ms: held ? ms + typical / 2 : ms }));
  const found = report("the same with a leak put in", leaking);
  expect(found.time).toBeGreaterThan(0.6);
  expect(found.learned).toBeGreaterThan(0.6);
});
