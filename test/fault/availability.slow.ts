// How much of 31 nodes may fail: one hangs, and 0 to 15 are killed one after another, over a federation of 33 processes.
// A failure: an answer that is not the oracle's; a question that could be answered on the provinces that are left and is not; any
// refusal but `coverage-incomplete`; another coverage than that of the nodes that live; with one node hung, a 99th percentile
// beyond the time limit and a tenth. Prints the tables that docs/PERFORMANCE.md shows.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import { quantile } from "../../bench/statistics.ts";
import { type Product, loadCatalogue } from "../../catalogue/index.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { Oracle, type OracleClaims } from "../../province-node/sandbox/oracle/index.ts";
import type { TruthPerson } from "../../province-node/index.ts";
import { ASOF } from "../federation/federation.ts";
import { SimulatedFederation } from "./simulated-federation.ts";
import { type Attempt, askUntilAnswered, isAnswered, type Told } from "./simulation-asking.ts";

const NODES = 31;
const MOST_DOWN = 15;
const TIMEOUT_MS = 5000;
/** With one node hung: questions, and how many at once. */
const HUNG_QUESTIONS = 400;
const AT_ONCE = 4;

const cache = mkdtempSync(join(tmpdir(), "wjf-availability-cache-"));
const catalogue = loadCatalogue();
let federation: SimulatedFederation;
let oracle: Oracle;
beforeAll(async () => {
  const options = { nodes: NODES, peoplePerProvince: 4, timeoutMs: TIMEOUT_MS, cache };
  federation = await SimulatedFederation.start(options);
  oracle = Oracle.open(join(federation.settings.home, "sandbox"), ASOF, catalogue);
  for (;;) {
    const { told } = await ask(person(0), QUESTIONS[0] as Question);
    if (typeof told === "object" && told.coverage?.answered === NODES) return;
  }
}, 600_000);
afterAll(async () => {
  await federation[Symbol.asyncDispose]();
  rmSync(cache, { recursive: true, force: true });
});

interface Question {
  readonly name: string;
  readonly product: string;
  readonly claims?: (someone: TruthPerson) => OracleClaims;
  /** Whether it can be answered without a province that does not hold the person. */
  readonly answerable: boolean;
}

const named =
  (name: (someone: TruthPerson) => string) =>
  (someone: TruthPerson): OracleClaims =>
    ({
      checks: [
        {
          indicator: "id.number_name",
          claim: { msisdn: someone.numbers[0]?.msisdn, name: name(someone) },
        },
      ],
    }) as OracleClaims;

const QUESTIONS: readonly Question[] = [
  {
    name: "verification: yes",
    product: "identity-verification@1",
    claims: named(({ name }) => name),
    answerable: true,
  },
  {
    name: "verification: no",
    product: "identity-verification@1",
    claims: named(() => "不是他"),
    answerable: false,
  },
  { name: "credit score", product: "credit-score@1", answerable: true },
  { name: "personal score at least 600", product: "personal-at-least:600@1", answerable: true },
  { name: "tags", product: "tags@1", answerable: true },
  { name: "segments", product: "segments@1", answerable: false },
];

/** Somebody with one number, in that province. */
function person(node: number): TruthPerson {
  const code = federation.codes[node];
  return federation.truth.find(
    ({ numbers }) => numbers.length === 1 && numbers[0]?.province === code,
  ) as TruthPerson;
}

/** One attempt. */
async function ask(someone: TruthPerson, { product: ref, claims }: Question): Promise<Attempt> {
  const product = catalogue.products.get(ref) as Product;
  const msisdn = someone.numbers[0]?.msisdn as string;
  const { bank } = federation;
  const result = product.kind === "yes_no" ? "boolean" : product.kind;
  const consent = await bank.consent({
    subject: product.subjects.includes("msisdn") ? msisdn : someone.cnId,
    products: [ref],
    maxUses: 1,
    result: result as "score",
  });
  const sealed = claims === undefined ? {} : { claims: await bank.sealClaims(claims(someone)) };
  const queryId = randomUUID();
  const body = JSON.stringify({ product: ref, query_id: queryId, ...sealed });
  const asked = { product, consent, queryId, body };
  const once = { underFault: true, institutionSkewMs: 0, overMs: 0 };
  const manner = { manner: "once", leavesAfterMs: 0 } as const;
  const [attempt] = await askUntilAnswered(federation, asked, manner, () => once);
  return attempt as Attempt;
}

/** "28/31", or the refusal; @throws when it is not the oracle's answer. */
async function outcome(someone: TruthPerson, question: Question): Promise<string> {
  const attempt = await ask(someone, question);
  const { told } = attempt;
  if (typeof told === "string") return told;
  if (!isAnswered(attempt)) return String(told.code);
  const { product, claims } = question;
  const subject = catalogue.products.get(product)?.subjects.includes("msisdn")
    ? { msisdn: someone.numbers[0]?.msisdn as string }
    : { cnId: someone.cnId };
  expect(told.answer).toEqual(oracle.expected(product, subject, claims?.(someone)));
  return `${told.coverage?.answered}/${told.coverage?.of}`;
}

test("one node hung: the 99th percentile is within the time limit and a tenth", async () => {
  const hung = federation.party(NODES - 1);
  hung.signal("SIGSTOP");
  const score = QUESTIONS[2] as Question;
  const times: number[] = [];
  const coverages = new Map<string, number>();
  const worker = async (): Promise<void> => {
    while (times.length < HUNG_QUESTIONS) {
      const { told, tookMs } = await ask(person(times.length % (NODES - 1)), score);
      times.push(tookMs);
      const { status, coverage, code } = told as Told;
      const what = status === 200 ? `${coverage?.answered}/${coverage?.of}` : String(code);
      coverages.set(what, (coverages.get(what) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  hung.signal("SIGCONT");
  const [p50, p99, most] = [0.5, 0.99, 1].map((at) => Math.round(quantile(times, at)));
  process.stderr.write(
    `one of ${NODES} nodes hung, time limit ${TIMEOUT_MS} ms, ${times.length} questions, ${AT_ONCE} at once: ` +
      `p50 ${p50} ms, p99 ${p99} ms, longest ${most} ms; ${JSON.stringify([...coverages])}\n`,
  );
  expect([...coverages.keys()]).toEqual([`${NODES - 1}/${NODES}`]);
  expect(p99).toBeLessThanOrEqual(TIMEOUT_MS * 1.1);
});

test(`0 to ${MOST_DOWN} of ${NODES} nodes down`, async () => {
  const score = QUESTIONS[2] as Question;
  for (;;) {
    const [healthy] = [await outcome(person(0), score)];
    if (healthy === `${NODES}/${NODES}`) break;
  }
  const random = new Keystream(sandboxKey("availability"), 212, 0);
  const alive = [...federation.codes.keys()];
  const dead: number[] = [];
  const lines: string[] = [];
  for (let down = 0; down <= MOST_DOWN; down++) {
    if (down > 0) {
      const [node] = alive.splice(random.whole(0, alive.length - 1), 1) as [number];
      await federation.party(node).kill();
      dead.push(node);
    }
    const whole = `${NODES - down}/${NODES}`;
    const there: string[] = [];
    const away: string[] = [];
    for (const question of QUESTIONS) {
      const expected = question.answerable || down === 0 ? whole : "coverage-incomplete";
      const living = person(random.pick(alive));
      there.push(await outcome(living, question));
      expect(there.at(-1), `${down} down, ${question.name}`).toBe(expected);
      if (dead.length === 0) continue;
      away.push(await outcome(person(random.pick(dead)), question));
      expect(away.at(-1), `${down} down, lives there, ${question.name}`).toBe(
        "coverage-incomplete",
      );
    }
    const shown = [...there.map(short), short(away[0] ?? "-")];
    lines.push(
      `| ${String(down).padStart(4)} | ${shown.map((one) => one.padEnd(9)).join(" | ")} |`,
    );
  }
  const heads = [...QUESTIONS.map(({ name }) => name), "whoever lives in a missing province"];
  process.stderr.write(`| down | ${heads.join(" | ")} |\n${lines.join("\n")}\n`);
});

function short(what: string): string {
  return what === "coverage-incomplete" ? "503" : what;
}
