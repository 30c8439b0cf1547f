// A federation under steady load whose last province is up, but not in the roster yet: what a test rotates everything of.
import { Bank, type GivenConsent, type Reply } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import type { TruthPerson } from "../../province-node/index.ts";
import { Rotations } from "./rotations.ts";
import { SteadyLoad } from "./steady-load.ts";

const CHECK = "identity-verification@1";
const SCORE = "credit-score@1";

interface ExpectedQuestion {
  readonly consent: GivenConsent;
  /** As it is sent; claims are sealed already. */
  readonly body: object;
  readonly expected: unknown;
}

export interface RotatingFederation extends AsyncDisposable {
  readonly federation: Federation;
  readonly rotations: Rotations;
  readonly load: SteadyLoad;
  /** "answered/of" of all answers of the load. */
  readonly coverages: ReadonlySet<string>;
  /** In the roster from the start. */
  readonly members: readonly ProvinceCode[];
  readonly outside: ProvinceCode;
  /** Questions under consents given now, of which the load asks from now on. */
  ask(): Promise<void>;
  /** Whether the name of somebody of the province outside is confirmed. */
  askOutside(): Promise<unknown>;
}

export async function startRotatingFederation(options: {
  readonly members: number;
  readonly people: number;
  readonly perSecond: number;
  readonly environment: NodeJS.ProcessEnv;
}): Promise<RotatingFederation> {
  await using resources = new AsyncDisposableStack();
  const { members, environment } = options;
  const federation = resources.use(
    await startFederation({
      provinces: members + 1,
      outside: 1,
      peoplePerProvince: options.people,
      // A busy machine may take its time: how long an answer takes is not what is asked here.
      environment: { WJF_FAN_OUT_TIMEOUT_MS: "120000", ...environment },
    }),
  );
  const codes = federation.provinces.map(({ code }) => code);
  const outside = codes.at(-1) as ProvinceCode;
  const bank = await Bank.register(federation);
  const questions: ExpectedQuestion[] = [];
  const coverages = new Set<string>();
  const load = resources.use(
    new SteadyLoad(options.perSecond, async (turn) => {
      const { consent, body, expected } = questions[turn % questions.length] as ExpectedQuestion;
      const response = await bank.send(consent, body);
      const reply = (await response.json()) as Reply;
      if (response.status !== 200) return `${response.status} ${JSON.stringify(reply)}`;
      coverages.add(`${reply.coverage.answered}/${reply.coverage.of}`);
      const { value } = reply.answer;
      return value === expected ? undefined : `${String(value)} instead of ${String(expected)}`;
    }),
  );
  const known = federation.truth.filter(({ numbers }) => numbers.length === 1);
  const insiders = known.filter(({ province }) => province !== outside).slice(0, 6);
  const outsider = known.find(({ province }) => province === outside) as TruthPerson;
  const scores = new Map<string, unknown>();
  for (const { id, numbers } of insiders) {
    const consent = await bank.consent({ subject: numbers[0]?.msisdn as string });
    scores.set(id, (await bank.ask(consent, SCORE)).answer.value);
  }
  const owned = resources.move();
  return {
    federation,
    rotations: new Rotations(federation.settings, federation.gateway.url, federation.enrolments),
    load,
    coverages,
    members: codes.slice(0, -1),
    outside,
    async ask() {
      const asked = insiders.map(async (person) =>
        questionsAbout(bank, person, scores.get(person.id)),
      );
      questions.push(...(await Promise.all(asked)).flat());
    },
    async askOutside() {
      const consent = await consentOf(bank, outsider);
      return (await bank.ask(consent, CHECK, claimsOf(outsider, outsider.name))).answer.value;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function consentOf(bank: Bank, { numbers }: TruthPerson): Promise<GivenConsent> {
  return await bank.consent({ subject: numbers[0]?.msisdn as string, maxUses: 100_000 });
}

/** A yes, a no, which needs every province, and a score. */
async function questionsAbout(
  bank: Bank,
  person: TruthPerson,
  score: unknown,
): Promise<ExpectedQuestion[]> {
  const consent = await consentOf(bank, person);
  const check = async (name: string, expected: string) => {
    const claims = await bank.sealClaims(claimsOf(person, name));
    return { consent, body: { product: CHECK, claims }, expected };
  };
  return [
    await check(person.name, "yes"),
    await check("不是他", "no"),
    { consent, body: { product: SCORE }, expected: score },
  ];
}

function claimsOf({ cnId, numbers }: TruthPerson, name: string) {
  const claim = { msisdn: numbers[0]?.msisdn, name, cn_id_number: cnId };
  return { checks: [{ indicator: "id.three_elements", claim }] };
}
