// Merged ciphertexts of a training round, opened and read back into numbers. Says nothing of what may be told of them:
// training-release.ts does. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";
import {
  AGGREGATE_VALUES,
  aggregateLength,
  type AggregateRequest,
  fromResidue,
  labelColumns,
  type LabelRequest,
  TRAINING_PARAMETERS,
  type TrainingJob,
} from "../../crypto/index.ts";
import type { SumOpener } from "./training-rules.ts";

type Sums = readonly Uint8Array[];

/** @throws WjfError `training-refused` when parts or provinces are missing. */
export function readAggregate(
  request: AggregateRequest,
  sums: Sums,
  { provinces }: TrainingJob,
  opener: SumOpener,
): Float64Array {
  const values = new Float64Array(aggregateLength(request));
  requireParts(sums, Math.ceil(values.length / AGGREGATE_VALUES));
  sums.forEach((ciphertext, part) => {
    const slots = opener.decrypt(ciphertext);
    // Of a roster that is not complete the masks remain, and slot 0 shows it.
    if (slots[0] !== provinces.length) {
      throw new WjfError("training-refused", "provinces are missing");
    }
    const start = part * AGGREGATE_VALUES;
    const count = Math.min(AGGREGATE_VALUES, values.length - start);
    for (let i = 0; i < count; i++) values[start + i] = fromResidue(slots[i + 1] as number);
  });
  return values;
}

/** @throws WjfError `training-refused` when parts are missing. */
export function readLabelSums(
  request: LabelRequest,
  sums: Sums,
  { layout: { block, tiles } }: TrainingJob,
  opener: SumOpener,
): Float64Array {
  const values = new Float64Array(labelColumns(request));
  requireParts(sums, Math.ceil(values.length / tiles));
  sums.forEach((ciphertext, part) => {
    const slots = opener.decrypt(ciphertext);
    for (let tile = 0; tile < tiles && part * tiles + tile < values.length; tile++) {
      const segment = slots.subarray(tile * block, (tile + 1) * block);
      values[part * tiles + tile] = fromResidue(
        segment.reduce((sum, slot) => (sum + slot) % TRAINING_PARAMETERS.plainModulus, 0),
      );
    }
  });
  return values;
}

function requireParts(sums: Sums, parts: number): void {
  if (sums.length !== parts) throw new WjfError("training-refused", "parts are missing");
}
