// A province's side of a training job: answers rounds about its own people. Whatever it returns is masked to its peers and under
// the authority's training key, by crypto/ (sealAggregate, LabelBlocks); it never sees a label. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import {
  AGGREGATE_VALUES,
  type AggregateRequest,
  binOf,
  type Column,
  type Design,
  jobDigest,
  LabelBlocks,
  labelColumns,
  type LabelRequest,
  roundDigest,
  type Score,
  sealAggregate,
  toResidue,
  TRAINING_PARAMETERS,
  type TrainingEncryptor,
  type TrainingJob,
  type TrainingMasks,
  type TrainingScheme,
} from "../../crypto/index.ts";
import { aggregate } from "./aggregates.ts";
import { applyDesign, type Columns, linearScores, type Matrix } from "./design.ts";

export interface TrainingProvinceParts {
  readonly scheme: TrainingScheme;
  /** Under the authority's training key. */
  readonly encryptor: TrainingEncryptor;
  readonly random: Random;
  readonly masks: TrainingMasks;
  readonly job: TrainingJob;
  /** The job's columns over those of its people that live here, in the order of the labels. */
  readonly columns: Columns;
}

export class TrainingProvince implements Disposable {
  readonly #parts: TrainingProvinceParts;
  readonly #digest: Buffer;
  readonly #people: number;
  readonly #limit: number;
  #labels: LabelBlocks | undefined;
  #lastRound = 0;
  #matrix: { readonly design: Design; readonly matrix: Matrix } | undefined;

  constructor(parts: TrainingProvinceParts) {
    this.#parts = parts;
    this.#digest = jobDigest(parts.job);
    this.#people = parts.columns[0]?.length ?? 0;
    if (parts.columns.length !== parts.job.features.length) {
      throw new WjfError("data-invalid", "columns do not fit the job");
    }
    const { plainModulus, fractionBits } = TRAINING_PARAMETERS;
    // Each province keeps to its share, so that the sum cannot wrap around.
    this.#limit = plainModulus / 2 / 2 ** fractionBits / parts.job.provinces.length;
  }

  /** @throws WjfError `ciphertext-invalid`, `data-invalid`. */
  receiveLabels(ciphertexts: readonly Uint8Array[]): void {
    this.#labels?.[Symbol.dispose]();
    this.#labels = new LabelBlocks(this.#parts, ciphertexts, this.#parts.job.layout, this.#people);
  }

  /** @throws WjfError `request-malformed` when the round was answered before: a mask is used once. */
  aggregate(request: AggregateRequest, round: number): Uint8Array[] {
    this.#enter(round);
    const { columns, masks, encryptor } = this.#parts;
    const matrix = "design" in request ? this.#matrixOf(request.design) : undefined;
    const values = aggregate(request, columns, matrix);
    const parts = Math.ceil(values.length / AGGREGATE_VALUES);
    return Array.from({ length: parts }, (_, part) => {
      const some = values.subarray(part * AGGREGATE_VALUES, (part + 1) * AGGREGATE_VALUES);
      const residues = Float64Array.of(1, ...some.map((value) => toResidue(value, this.#limit)));
      return sealAggregate(residues, roundDigest(this.#digest, round, part), masks, encryptor);
    });
  }

  /** Σ x·y per column, over encrypted labels. @throws WjfError as `aggregate`; `data-invalid` without labels. */
  labelSums(request: LabelRequest, round: number): Uint8Array[] {
    if (this.#labels === undefined) throw new WjfError("data-invalid", "no labels were received");
    this.#enter(round);
    const columns = this.#columnsOf(request);
    return this.#labels.sums(columns, (part) => roundDigest(this.#digest, round, part));
  }

  #enter(round: number): void {
    if (!(round > this.#lastRound)) {
      throw new WjfError("request-malformed", "this training round was answered");
    }
    this.#lastRound = round;
  }

  #columnsOf(request: LabelRequest): Column[] {
    const { columns } = this.#parts;
    if (request.type === "bins") {
      return columns.flatMap((column, c) => {
        const cuts = request.edges[c] ?? [];
        const bins = Uint16Array.from(column, (value) => binOf(value, cuts));
        return Array.from({ length: cuts.length + 2 }, (_, bin) => indicator(bins, bin));
      });
    }
    const matrix = this.#matrixOf(request.design);
    if (request.type === "design") {
      const { width, values } = matrix;
      return Array.from({ length: labelColumns(request) }, (_, c) => (person: number) => {
        return toResidue(values[person * width + c] as number);
      });
    }
    const bins = scoreBins(request, request.cuts, matrix);
    return Array.from({ length: labelColumns(request) }, (_, bin) => indicator(bins, bin));
  }

  #matrixOf(design: Design): Matrix {
    if (this.#matrix?.design !== design) {
      this.#matrix = { design, matrix: applyDesign(this.#parts.columns, design) };
    }
    return this.#matrix.matrix;
  }

  [Symbol.dispose](): void {
    this.#labels?.[Symbol.dispose]();
  }
}

const UNIT = toResidue(1);

function indicator(bins: Uint16Array, bin: number): Column {
  return (person) => (bins[person] === bin ? UNIT : 0);
}

function scoreBins(score: Score, cuts: readonly number[], matrix: Matrix): Uint16Array {
  return Uint16Array.from(linearScores(matrix, score), (value) => binOf(value, cuts));
}
