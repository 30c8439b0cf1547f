// A province's side of a training job: answers rounds about its own people. Whatever it returns is masked to its peers and under
// the authority's training key, by crypto/ (sealAggregate, LabelBlocks); it never sees a label. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { Steps } from "../../core/steps.ts";
import {
  AGGREGATE_VALUES,
  aggregateLength,
  type AggregateRequest,
  type Column,
  type Design,
  jobDigest,
  LabelBlocks,
  labelColumns,
  type LabelRequest,
  regionsOf,
  roundDigest,
  sealAggregate,
  toResidue,
  TRAINING_PARAMETERS,
  type TrainingEncryptor,
  type TrainingJob,
  type TrainingMasks,
  type TrainingScheme,
} from "../../crypto/index.ts";
import { aggregate } from "./aggregates.ts";
import { applyDesign, binsOf, type Columns, linearScores, type Matrix } from "./design.ts";

export interface TrainingProvinceParts {
  readonly scheme: TrainingScheme;
  /** Under the authority's training key. */
  readonly encryptor: TrainingEncryptor;
  readonly random: Random;
  readonly masks: TrainingMasks;
  readonly job: TrainingJob;
  /** The job's columns over those of its people that live here, in the order of the labels. */
  readonly columns: Columns;
  /** Where the labels are of others too: by label, the person's row in the columns, or −1. Without it, one for each row. */
  readonly rows?: Int32Array;
  /** The newest round that was answered, by this process or one before it. */
  readonly lastRound?: number;
  /** How this cohort differs from those of earlier jobs: three numbers each. */
  readonly overlap?: (jobs: readonly string[]) => Steps<Float64Array>;
  /** Whether sums by region were approved with the job. */
  readonly byRegion?: boolean;
}

export class TrainingProvince implements Disposable {
  readonly #parts: TrainingProvinceParts;
  readonly #digest: Buffer;
  readonly #people: number;
  readonly #limit: number;
  #labels: LabelBlocks | undefined;
  #lastRound: number;
  #matrix: { readonly design: string; readonly matrix: Matrix } | undefined;

  constructor(parts: TrainingProvinceParts) {
    this.#parts = parts;
    this.#digest = jobDigest(parts.job);
    this.#people = parts.rows?.length ?? parts.columns[0]?.length ?? 0;
    this.#lastRound = parts.lastRound ?? 0;
    if (parts.columns.length !== parts.job.features.length) {
      throw new WjfError("data-invalid", "columns do not fit the job");
    }
    const { plainModulus, fractionBits } = TRAINING_PARAMETERS;
    // Each province keeps to its share, so that the sum cannot wrap around.
    this.#limit = plainModulus / 2 / 2 ** fractionBits / parts.job.provinces.length;
  }

  /** @throws WjfError `ciphertext-invalid`, `data-invalid`. */
  *receiveLabels(ciphertexts: Iterable<Uint8Array>): Steps<void> {
    const { layout } = this.#parts.job;
    const labels = yield* LabelBlocks.open(this.#parts, ciphertexts, layout, this.#people);
    this.#labels?.[Symbol.dispose]();
    this.#labels = labels;
  }

  /** @throws WjfError `request-malformed` when the round was answered before: a mask is used once. */
  *aggregate(request: AggregateRequest, round: number): Steps<Uint8Array[]> {
    this.#enter(round);
    const { masks, encryptor } = this.#parts;
    const values = yield* this.#valuesOf(request);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < values.length; at += AGGREGATE_VALUES) {
      yield;
      const some = values.subarray(at, at + AGGREGATE_VALUES);
      const residues = Float64Array.of(1, ...some.map((value) => toResidue(value, this.#limit)));
      const digest = roundDigest(this.#digest, round, parts.length);
      parts.push(sealAggregate(residues, digest, masks, encryptor));
    }
    return parts;
  }

  *#valuesOf(request: AggregateRequest): Steps<Float64Array> {
    const { columns, overlap } = this.#parts;
    if (request.type === "overlap") {
      if (overlap !== undefined) return yield* overlap(request.jobs);
      return new Float64Array(aggregateLength(request));
    }
    const matrix = "design" in request ? yield* this.#matrixOf(request.design) : undefined;
    if (request.type !== "region-counts") return yield* aggregate(request, columns, matrix);
    const region = this.#regionOf(request);
    const own = yield* aggregate(request, columns, matrix);
    const values = new Float64Array(aggregateLength(request));
    values.set(own, region * own.length);
    return values;
  }

  /** Σ x·y per column, over encrypted labels. @throws WjfError as `aggregate`; `data-invalid` without labels. */
  *labelSums(request: LabelRequest, round: number): Steps<Uint8Array[]> {
    if (this.#labels === undefined) throw new WjfError("data-invalid", "no labels were received");
    this.#enter(round);
    const { rows } = this.#parts;
    const columns = (yield* this.#columnsOf(request)).map((column) =>
      rows === undefined ? column : atLabels(column, rows),
    );
    return yield* this.#labels.sums(columns, (part) => roundDigest(this.#digest, round, part));
  }

  #enter(round: number): void {
    if (!(round > this.#lastRound)) {
      throw new WjfError("request-malformed", "this training round was answered");
    }
    this.#lastRound = round;
  }

  /** Which region this province is of. @throws WjfError `training-refused`, `request-malformed`. */
  #regionOf({ regions: asked }: { readonly regions: number }): number {
    const { job, masks, byRegion = false } = this.#parts;
    if (!byRegion) throw new WjfError("training-refused", "sums by region were not approved");
    const regions = regionsOf(job.provinces);
    // Of one region alone, or of another division, there is nothing to say.
    if (regions.length < 2 || regions.length !== asked) {
      throw new WjfError("request-malformed", "regions: as the job's provinces make them");
    }
    return regions.findIndex((region) => region.includes(masks.own));
  }

  *#columnsOf(request: LabelRequest): Steps<Column[]> {
    const { columns } = this.#parts;
    if (request.type === "bins") {
      const all: Column[] = [];
      for (const [c, column] of columns.entries()) {
        const cuts = request.edges[c] ?? [];
        const bins = yield* binsOf(column, cuts);
        for (let bin = 0; bin < cuts.length + 2; bin++) all.push(indicator(bins, bin));
      }
      return all;
    }
    const matrix = yield* this.#matrixOf(request.design);
    if (request.type === "design") {
      const { width, values } = matrix;
      return Array.from({ length: labelColumns(request) }, (_, c) => (person: number) => {
        return toResidue(values[person * width + c] as number);
      });
    }
    const bins = yield* binsOf(yield* linearScores(matrix, request), request.cuts);
    if (request.type === "region-bins") {
      const first = this.#regionOf(request) * (request.cuts.length + 1);
      return Array.from({ length: labelColumns(request) }, (_, at) => {
        const bin = at - first;
        return bin < 0 || bin > request.cuts.length ? nobody : indicator(bins, bin);
      });
    }
    return Array.from({ length: labelColumns(request) }, (_, bin) => indicator(bins, bin));
  }

  *#matrixOf(design: Design): Steps<Matrix> {
    // Over a wire the same design comes as another object each time.
    const text = JSON.stringify(design);
    if (this.#matrix?.design !== text) {
      this.#matrix = { design: text, matrix: yield* applyDesign(this.#parts.columns, design) };
    }
    return this.#matrix.matrix;
  }

  [Symbol.dispose](): void {
    this.#labels?.[Symbol.dispose]();
  }
}

const UNIT = toResidue(1);

/** Whoever is not here counts for nothing, whatever the label. */
function atLabels(column: Column, rows: Int32Array): Column {
  return (label) => {
    const row = rows[label] as number;
    return row < 0 ? 0 : column(row);
  };
}

const nobody: Column = () => 0;

function indicator(bins: Uint16Array, bin: number): Column {
  return (person) => (bins[person] === bin ? UNIT : 0);
}
