// Five-fold figures out of fold, as the real data's own page gives them for central training: each fold is scored by a model that the
// other four were trained for over 31 provinces. Printed beside that page's column, and held against central training of the same folds.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TRAINING_POLICY } from "../../consent/release/index.ts";
import { systemRandom } from "../../core/random.ts";
import { atOnce } from "../../core/steps.ts";
import { train, TRAINING_DEFAULTS } from "../../cli/train-job.ts";
import { applyDesign, linearScores } from "../../province-node/training/design.ts";
import {
  binAmong,
  centralAucKs,
  centralRegression,
  centralWoeTables,
  standardiser,
} from "./central-lr.ts";
import { type DataSet, DATA_FOLDER, readDataSet, splitByRow } from "./real-data-sets.ts";

const FOLDS = 5;
const ROW = { german: "South German", uci: "UCI default", sichuan: "Sichuan fraud" } as const;

/** "raw AUC / KS" and "WoE AUC / KS" of the page's table. */
function published(name: keyof typeof ROW, columns: "raw" | "woe"): string {
  const path = join(DATA_FOLDER, "README.md");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const cells = text.split("\n").find((line) => line.startsWith(`| ${ROW[name]} |`));
  return cells?.split("|")[columns === "raw" ? 2 : 3]?.trim() ?? "not there";
}

function fold(data: DataSet, inside: (row: number) => boolean): DataSet {
  return {
    features: data.features,
    rows: data.rows.filter((_, i) => inside(i)),
    labels: data.labels.filter((_, i) => inside(i)),
  };
}

/** Scattered (Knuth's multiplicative hash), so that an ordered file does not make unlike folds. */
function foldOf(row: number): number {
  return (Math.imul(row + 1, 2_654_435_761) >>> 8) % FOLDS;
}

async function outOfFold(data: DataSet, columns: "raw" | "woe") {
  const federated = new Map<number, number>();
  const central = new Map<number, number>();
  for (let held = 0; held < FOLDS; held++) {
    const training = fold(data, (row) => foldOf(row) !== held);
    const rest = fold(data, (row) => foldOf(row) === held);
    const at = data.rows.flatMap((_, row) => (foldOf(row) === held ? [row] : []));
    const input = {
      id: `fold-${held}`,
      client: "test-bank",
      purpose: "dpv:CreditChecking",
      features: data.features,
      provinces: splitByRow(training),
      random: systemRandom,
      // Four fifths of the smallest file are fewer than may be trained on.
      policy: { ...TRAINING_POLICY, minPeople: 500 },
    };
    const options = { ...TRAINING_DEFAULTS, columns, evaluate: false };
    const { design, regression } = await train(input, options);
    const values = data.features.map((_, c) => Float64Array.from(rest.rows, (row) => row[c]!));
    const scores = atOnce(
      linearScores(atOnce(applyDesign(values, design)), { ...regression, design }),
    );
    at.forEach((row, i) => federated.set(row, scores[i]!));
    const own = centralScores(training, rest, design.kind === "woe" ? design.edges : undefined);
    at.forEach((row, i) => central.set(row, own[i]!));
  }
  const judge = (scores: Map<number, number>) =>
    centralAucKs(
      data.rows.map((_, row) => scores.get(row)!),
      data.labels,
    );
  return { federated: judge(federated), central: judge(central) };
}

/** By arithmetic that shares nothing with the product's: the cuts alone are taken over, where there are any. */
function centralScores(
  training: DataSet,
  rest: DataSet,
  cuts: readonly (readonly number[])[] | undefined,
): number[] {
  const { features, labels } = training;
  const convert = cuts === undefined ? standardiser(training.rows) : byEvidence(training, cuts);
  const { coefficients } = centralRegression(
    training.rows.map(convert),
    labels,
    TRAINING_DEFAULTS.l2,
  );
  return rest.rows.map(convert).map((row) => {
    const [intercept = 0, ...slopes] = coefficients;
    return features.reduce((sum, _, c) => sum + row[c]! * slopes[c]!, intercept);
  });
}

type Convert = (row: readonly number[]) => number[];

function byEvidence({ rows, labels }: DataSet, cuts: readonly (readonly number[])[]): Convert {
  const tables = centralWoeTables(rows, labels, cuts);
  return (row) => row.map((value, c) => tables[c]![binAmong(value, cuts[c]!)]!);
}

for (const name of ["german", "sichuan", "uci"] as const) {
  const data = readDataSet(name);
  test.skipIf(data === undefined).each(["raw", "woe"] as const)(
    `${name}, %s columns, five folds (skipped where the data is absent)`,
    async (columns) => {
      const { federated, central } = await outOfFold(data!, columns);
      const told = ({ auc, ks }: typeof central): string => `${auc.toFixed(4)} / ${ks.toFixed(3)}`;
      process.stdout.write(
        `${name} ${columns}: federated ${told(federated)}, central ${told(central)}, published ${published(name, columns)}\n`,
      );
      expect(Math.abs(federated.auc - central.auc)).toBeLessThan(1e-3);
      expect(Math.abs(federated.ks - central.ks)).toBeLessThan(1e-3);
    },
  );
}
