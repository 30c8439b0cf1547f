// A federation of three provinces with a thousand and more subscribers of few columns, an institution that knows who of them did not
// pay, and what a test wants to do with them: begin a job, decide on it, send labels, train.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { addClient } from "../../consent/clients.ts";
import { type Leaf, showLeaves } from "../../consent/log/index.ts";
import { partyFolder, type Settings } from "../../core/config.ts";
import { systemClock } from "../../core/clock.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { systemRandom } from "../../core/random.ts";
import { cnIdCheckCharacter } from "../../crypto/index.ts";
import { generateClientKeys } from "../../cli/client-keys.ts";
import { type InstitutionKeys, readInstitutionKeys } from "../../cli/demo-institution.ts";
import { remoteTraining, type RemoteTraining } from "../../cli/remote-training.ts";
import type { LabelledPerson } from "../../cli/train-labels.ts";
import { type AdmittedJob, TrainingClient, type TrainingState } from "../../cli/training-client.ts";
import { sendLabels, type WishTerms, wishFor } from "../../cli/training-upload.ts";
import { decideTraining, startProvinceNode } from "../../province-node/index.ts";
import { startGateway } from "../../gateway/index.ts";
import { silentLogger } from "../../core/log.ts";
import {
  type Federation,
  type FederationOptions,
  startFederation,
} from "../federation/federation.ts";

export const FEATURES = ["id.age_years", "id.tenure_months", "use.plan_fee"];
const PER_PROVINCE = 360;

export interface Subscriber extends LabelledPerson {
  readonly values: readonly number[];
}

/** The i-th subscriber of a province: a number nobody has, an age, a tenure, a plan; and whether they paid. */
function subscriber(code: string, i: number) {
  const age = 20 + ((i * 7) % 45);
  const months = 1 + ((i * 11) % 120);
  const fee = [18, 38, 59, 88, 128][(i * 3) % 5]!;
  const noise = ((i * 2_654_435_761 + Number(code) * 40_503) % 1000) / 1000;
  const odds = 1.2 - 0.04 * age - 0.01 * months + 0.006 * fee;
  const label: 0 | 1 = noise < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  const msisdn = `199${code}${String(i).padStart(6, "0")}`;
  const first17 = `${code}01011970010${String(i).padStart(4, "0")}`.slice(0, 17);
  return { age, months, fee, label, msisdn, cnId: first17 + cnIdCheckCharacter(first17) };
}

const ASOF = new Date("2026-11-01T00:00:00Z");

export function plant(rawFolder: string, code: string): void {
  const day = (yearsAgo: number, monthsAgo: number): string => {
    const date = new Date(ASOF);
    date.setUTCFullYear(date.getUTCFullYear() - yearsAgo);
    date.setUTCMonth(date.getUTCMonth() - monthsAgo);
    return date.toISOString().slice(0, 10);
  };
  const rows = Array.from({ length: PER_PROVINCE }, (_, i) => {
    const { age, months, fee, msisdn, cnId } = subscriber(code, i);
    return `+86${msisdn},${cnId},测试,${day(age, 0)},male,true,${day(0, months)},active,,套餐,${fee},110100,none,false\n`;
  });
  appendFileSync(join(rawFolder, "subscriber.csv"), rows.join(""));
}

export function subscribersOf(code: string): readonly Subscriber[] {
  return Array.from({ length: PER_PROVINCE }, (_, i) => {
    const { age, months, fee, label, msisdn } = subscriber(code, i);
    return {
      subject: `msisdn:+86${msisdn}`,
      label,
      province: code as Subscriber["province"],
      values: [age, months, fee],
    };
  });
}

export interface Begun {
  readonly state: TrainingState;
  readonly people: readonly LabelledPerson[];
}

export class TrainingBank {
  readonly client: TrainingClient;
  readonly keys: InstitutionKeys;
  readonly #commitmentKey = systemRandom.bytes(32);

  constructor({ gatewayUrl }: Settings, keys: InstitutionKeys, patienceMs?: number) {
    this.keys = keys;
    this.client = new TrainingClient(gatewayUrl, keys, patienceMs);
  }

  /** @param db the authority's. */
  static async register(
    settings: Settings,
    db: Parameters<typeof addClient>[0],
    clientId: string,
    patienceMs?: number,
  ): Promise<TrainingBank> {
    const generated = generateClientKeys(settings.home, clientId);
    generated.save();
    await addClient(db, systemClock, {
      client_id: clientId,
      name: "Training Bank",
      contact: "test@bank.example",
      jwks: generated.jwks,
      products: ["credit-score@1"] as never,
      purposes: ["dpv:CreditChecking"],
    });
    return new TrainingBank(settings, readInstitutionKeys(settings.home, clientId), patienceMs);
  }

  async begin(
    people: readonly LabelledPerson[],
    provinces: readonly string[],
    terms: Partial<WishTerms> = {},
  ): Promise<Begun> {
    const wish = wishFor(
      people,
      {
        id: randomUUID(),
        client: this.keys.clientId,
        purpose: "dpv:CreditChecking",
        features: FEATURES,
        provinces: provinces as WishTerms["provinces"],
        lawful_basis: { basis: "dpv:Contract", reference: "loan contract, clause 7" },
        max_rounds: 60,
        days: 1,
        ...terms,
      },
      { key: this.#commitmentKey, random: systemRandom },
    );
    return { state: await this.client.begin(JSON.stringify(wish)), people };
  }

  /**
   * What every province has approved: sends the labels, and opens the authority's side.
   * @param onStep called before each question.
   */
  async send(
    { state, people }: Begun,
    onStep?: (step: number) => void,
  ): Promise<{ admitted: AdmittedJob; authority: RemoteTraining }> {
    const { client } = this;
    const admitted = await client.admission(state.id);
    const now = await client.read(state.id);
    const commitmentKey = this.#commitmentKey;
    await sendLabels({ client, admitted, state: now, people, commitmentKey });
    return { admitted, authority: remoteTraining(client, admitted.admission, onStep) };
  }
}

export interface TrainingScene extends AsyncDisposable {
  readonly federation: Federation;
  readonly codes: readonly string[];
  readonly everybody: readonly Subscriber[];
  register(clientId: string, patienceMs?: number): Promise<TrainingBank>;
  decide(
    id: string,
    decision: "approved" | "refused",
    codes?: readonly string[],
    note?: string,
  ): void;
  folder(code: string): string;
  /** Stops a province's node; what it gives back starts it again. */
  stopNode(code: string): Promise<() => Promise<void>>;
  /** Ends the gateway and starts another in its place. */
  restartGateway(): Promise<void>;
  leaves(): Promise<Extract<Leaf, { type: "training" }>[]>;
}

export async function openTrainingScene(options: FederationOptions = {}): Promise<TrainingScene> {
  await using resources = new AsyncDisposableStack();
  const nodeSettings = new Map<string, Settings>();
  const federation = resources.use(
    await startFederation({
      provinces: 3,
      peoplePerProvince: 4,
      plant,
      startNode: async (code, settings) => {
        nodeSettings.set(code, settings);
        return undefined;
      },
      ...options,
    }),
  );
  const { settings } = federation;
  const log = options.log ?? silentLogger;
  const codes = federation.provinces.map(({ code }) => code);
  const folder = (code: string): string => partyFolder(settings.home, code as ProvinceCode);
  const owned = resources.move();
  return {
    federation,
    codes,
    everybody: codes.flatMap(subscribersOf),
    folder,
    async register(clientId, patienceMs) {
      const { db } = federation.authority.service.options;
      return await TrainingBank.register(settings, db, clientId, patienceMs);
    },
    decide(id, decision, some = codes, note = "") {
      for (const code of some) decideTraining(folder(code), id, decision, systemClock, note);
    },
    async stopNode(code) {
      await federation.stopNode(code);
      return async () => {
        owned.use(
          await startProvinceNode(code as ProvinceCode, folder(code), nodeSettings.get(code)!, log),
        );
      };
    },
    async restartGateway() {
      await federation.gateway[Symbol.asyncDispose]();
      owned.use(await startGateway(settings, log));
    },
    async leaves() {
      const found: Extract<Leaf, { type: "training" }>[] = [];
      for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
        if (leaf.type === "training") found.push(leaf);
      }
      return found;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
