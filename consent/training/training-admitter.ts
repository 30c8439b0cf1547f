// Admits training jobs: whose they are, on what ground, over which provinces and indicators, how many rounds and until when. The
// job gets keys of its own and the authority's signature; that it was admitted is a leaf before anybody hears of it. What a job may
// be told is training-steps.ts. DESIGN §9; docs/decisions/070.
import type { KeyObject } from "node:crypto";
import type { Catalogue } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import {
  generateP256,
  publicP256,
  requireQuorum,
  type Roster,
  signStatement,
  thumbprint,
  type TrainingScheme,
} from "../../crypto/index.ts";
import type { AdmittedTraining, AdmitTrainingRequest } from "../../proto/index.ts";
import type { AtRest } from "../at-rest.ts";
import { activeClient, type Client } from "../clients.ts";
import type { EpochKeeper } from "../epochs.ts";
import {
  type AuthorityDb,
  type AuthorityTx,
  type ConsentLedger,
  consentTables,
} from "../ledger.ts";
import type { LeafDraft } from "../log/index.ts";
import {
  TRAINING_PATH,
  type TrainingAdmission,
  TrainingWish,
  verifyTrainingProof,
} from "../training-job.ts";
import type { TrainingJobTable } from "./schema.ts";

export interface TrainingParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly epochs: EpochKeeper;
  readonly atRest: AtRest;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** Signs admissions and orders. */
  readonly admissionKey: KeyObject;
  readonly scheme: () => Promise<TrainingScheme>;
}

/** Jobs of one institution that are under way. */
const MOST_OPEN_JOBS = 8;
/** That it may begin in a day: each makes keys, and asks every province's operator. */
const MOST_JOBS_A_DAY = 32;
const DAY_MS = 86_400_000;

/** What a job's keys are sealed at rest under. */
export const HE_SECRET = "training_job.he_secret";
export const SEALING_KEY = "training_job.sealing_key";
/** Of a job that is over. */
export const NO_KEYS = { he_secret_sealed: null, public_key: Buffer.alloc(0) } as const;

export class TrainingAdmitter {
  readonly #parts: TrainingParts;

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  /**
   * Idempotent: the same wish is the same job.
   * @throws WjfError `dpop-*`, `request-malformed`, `client-unknown`, `rate-limited`, `query-conflict`.
   */
  async admit({ proof, body }: AdmitTrainingRequest): Promise<AdmittedTraining> {
    const { db, epochs, clock, ledger, atRest } = this.#parts;
    const wish = parseJsonWith(TrainingWish, body.toString("utf8"), "request-malformed", "body");
    const client = await activeClient(consentTables(db), wish.job.client);
    const { roster } = epochs.current();
    const keys = signingThumbprints(client);
    const request = { method: "POST", path: TRAINING_PATH, proof, body };
    await verifyTrainingProof(request, keys, roster.audience, clock);
    const wishHash = sha256Hex(body);
    const known = await this.#row(wish.job.id);
    if (known !== undefined) return sameWish(known, wishHash, clock);
    this.#requireAllowed(wish, client, roster);
    await this.#requireRoom(client, db);
    const scheme = await this.#parts.scheme();
    const he = scheme.generateKeys();
    const sealing = generateP256("enc");
    const admission = admissionOf(wish, client.name, keys, roster, {
      he_public_key_sha256: sha256Hex(he.publicKey),
      sealing_key: publicP256(sealing),
      admitted_at: nowSeconds(clock),
    });
    const signed = signStatement("training-admission", admission, this.#parts.admissionKey);
    const row: TrainingJobTable = {
      id: wish.job.id,
      client_id: client.client_id,
      wish_sha256: wishHash,
      ...signed,
      public_key: Buffer.from(he.publicKey),
      he_secret_sealed: atRest.seal(HE_SECRET, he.secretKey),
      sealing_key_sealed: atRest.seal(SEALING_KEY, JSON.stringify(sealing)),
      state: "open",
      steps: 0,
      rounds: 0,
      asked_sha256: null,
      asked_first: 0,
      asked_last: 0,
      regions_step: 0,
      cohort_sealed: null,
      created_at: clock.nowMs(),
      expires_at: admission.expires_at * 1000,
    };
    const { value } = await ledger.transact(async (tx) => {
      const other = await tx
        .selectFrom("training_job")
        .selectAll()
        .where("id", "=", row.id)
        .executeTakeFirst();
      if (other !== undefined) return { value: other };
      await this.#requireRoom(client, tx);
      await tx.insertInto("training_job").values(row).execute();
      return { value: row, leaves: [admittedLeaf(admission, signed.statement)] };
    });
    return sameWish(value, wishHash, clock);
  }

  /** @throws WjfError `route-unknown`. */
  async find(id: string): Promise<AdmittedTraining> {
    const row = await this.#row(id);
    if (row === undefined) throw new WjfError("route-unknown", "no such training job");
    return admitted(row, this.#parts.clock);
  }

  async #row(id: string): Promise<TrainingJobTable | undefined> {
    const { db } = this.#parts;
    return await db.selectFrom("training_job").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** @throws WjfError `rate-limited`. */
  async #requireRoom({ client_id }: Client, db: AuthorityDb | AuthorityTx): Promise<void> {
    const now = this.#parts.clock.nowMs();
    const own = db.selectFrom("training_job").select("id").where("client_id", "=", client_id);
    const open = await own.where("state", "=", "open").where("expires_at", ">", now).execute();
    const recent = await own.where("created_at", ">", now - DAY_MS).execute();
    const isFull = open.length >= MOST_OPEN_JOBS || recent.length >= MOST_JOBS_A_DAY;
    if (isFull) throw new WjfError("rate-limited", "training jobs");
  }

  #requireAllowed({ job }: TrainingWish, client: Client, roster: Roster): void {
    if (!client.purposes.includes(job.purpose)) {
      throw new WjfError("request-malformed", "purpose: not one of the institution's");
    }
    if (!client.jwks.keys.some(({ use }) => use === "enc")) {
      throw new WjfError("client-unknown", "training needs an encryption key");
    }
    const unknown = job.features.findIndex((id) => !this.#parts.catalogue.indicatorById.has(id));
    if (unknown !== -1) {
      throw new WjfError("request-malformed", `features.${unknown}: not in the catalogue`);
    }
    const members = new Set(roster.provinces.map(({ code }) => code));
    if (!job.provinces.every((code) => members.has(code))) {
      throw new WjfError("request-malformed", "provinces: not all in the roster");
    }
    requireQuorum(roster, job.provinces);
  }
}

function admissionOf(
  { days, ...terms }: TrainingWish,
  clientName: string,
  keys: readonly string[],
  { provinces }: Roster,
  own: Pick<TrainingAdmission, "he_public_key_sha256" | "sealing_key" | "admitted_at">,
): TrainingAdmission {
  const maskKeys = new Map(provinces.map(({ code, mask_key }) => [code, mask_key]));
  return {
    ...terms,
    ...own,
    client_name: clientName,
    keys: [...keys],
    mask_keys: terms.job.provinces.flatMap((code) => maskKeys.get(code) ?? []),
    expires_at: own.admitted_at + days * 86_400,
  };
}

export function signingThumbprints({ jwks }: Client): string[] {
  return jwks.keys.filter(({ use }) => use === "sig").map((key) => thumbprint(key));
}

function sameWish(row: TrainingJobTable, wishHash: string, clock: Clock): AdmittedTraining {
  if (row.wish_sha256 !== wishHash) {
    throw new WjfError("query-conflict", "another training job has this id");
  }
  return admitted(row, clock);
}

function admitted(row: TrainingJobTable, clock: Clock): AdmittedTraining {
  const { statement, signature, public_key } = row;
  return {
    admission: { statement: Buffer.from(statement), signature: Buffer.from(signature) },
    he_public_key: Buffer.from(public_key),
    state: stateOf(row, clock),
  };
}

export function stateOf(
  { state, expires_at }: Pick<TrainingJobTable, "state" | "expires_at">,
  clock: Clock,
): AdmittedTraining["state"] {
  if (state === "open" && clock.nowMs() >= expires_at) return "expired";
  return state as AdmittedTraining["state"];
}

function admittedLeaf(admission: TrainingAdmission, statement: Buffer): LeafDraft {
  const { job, lawful_basis, max_rounds, by_region, drift, expires_at, people } = admission;
  return {
    type: "training",
    event: "admitted",
    job_id: job.id,
    client_id: job.client,
    purpose: job.purpose,
    lawful_basis,
    features: [...job.features],
    provinces: [...job.provinces],
    people: people.reduce((sum, count) => sum + count, 0),
    max_rounds,
    ...(by_region && { by_region }),
    ...(drift && { drift }),
    expires: new Date(expires_at * 1000).toISOString(),
    statement_sha256: sha256Hex(statement),
  };
}
