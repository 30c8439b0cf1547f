// How a score does by region, from sums over at least three provinces each: regions and bands are put together until every cell may be
// told, and always for all at once, so that nothing follows by subtraction from the whole. Pure. docs/decisions/074.
import type { ProvinceCode } from "../../core/ids.ts";
import { REGION_RULES } from "../../crypto/index.ts";
import { type ScoreGroup, separationOf } from "./training-evaluation.ts";
import type { RegionBand, RegionEvaluation, TrainingPolicy } from "./training-rules.ts";

/** A region's merged sums; arrays have one entry per group of the whole cohort's evaluation. */
export interface RegionSums {
  readonly provinces: readonly ProvinceCode[];
  /** Provinces among them that hold at least `REGION_RULES.leastPeople`. */
  readonly holding: number;
  readonly people: Float64Array;
  readonly bad: Float64Array;
  /** Σ of the model's probabilities. */
  readonly expected: Float64Array;
}

const BANDS = 5;

/** @param counted,labelled as the provinces answer `region-counts` and `region-bins`. */
export function regionSums(
  regions: readonly (readonly ProvinceCode[])[],
  counted: Float64Array,
  labelled: Float64Array,
): readonly RegionSums[] {
  const cells = labelled.length / regions.length;
  const width = 1 + 2 * cells;
  return regions.map((provinces, r) => {
    const own = counted.subarray(r * width, (r + 1) * width);
    return {
      provinces,
      holding: own[0] as number,
      people: own.subarray(1, 1 + cells),
      expected: own.subarray(1 + cells),
      bad: labelled.subarray(r * cells, (r + 1) * cells),
    };
  });
}

/** Whether regions and groups are the same people. */
export function addUp(sums: readonly RegionSums[], groups: readonly ScoreGroup[]): boolean {
  const sum = (key: "people" | "bad", group: number): number =>
    sums.reduce((all, each) => all + (each[key][group] as number), 0);
  return groups.every(({ people, bad }, i) => sum("people", i) === people && sum("bad", i) === bad);
}

/** @returns nothing when fewer than two regions may be told of. */
export function evaluateRegions(
  sums: readonly RegionSums[],
  groups: readonly ScoreGroup[],
  policy: TrainingPolicy,
): readonly RegionEvaluation[] {
  const regions = mergeRegions(sums, policy);
  if (regions.length < 2) return [];
  const bands = mergeBands(regions, groups, policy.minCell);
  return regions.map((region) => ({
    provinces: region.provinces,
    ...cellOf(region, { from: 0, to: groups.length }),
    ...separationOf(region),
    bands: bands.map((band) => cellOf(region, band)),
  }));
}

/** Joined with a neighbour, and never left out: what is left out follows from the whole and the rest. */
function mergeRegions(sums: readonly RegionSums[], policy: TrainingPolicy): readonly RegionSums[] {
  const regions = [...sums];
  const poor = (region: RegionSums): boolean => {
    const bad = total(region.bad);
    const good = total(region.people) - bad;
    const few = region.holding < REGION_RULES.leastProvinces;
    return few || bad < policy.minClass || good < policy.minClass;
  };
  for (
    let at = regions.findIndex(poor);
    at !== -1 && regions.length > 1;
    at = regions.findIndex(poor)
  ) {
    const first = Math.min(at, regions.length - 2);
    const [left, right] = regions.slice(first, first + 2) as [RegionSums, RegionSums];
    regions.splice(first, 2, joined(left, right));
  }
  return regions;
}

function joined(left: RegionSums, right: RegionSums): RegionSums {
  const sum = (key: "people" | "bad" | "expected"): Float64Array =>
    left[key].map((value, i) => value + (right[key][i] as number));
  return {
    provinces: [...left.provinces, ...right.provinces],
    holding: left.holding + right.holding,
    people: sum("people"),
    bad: sum("bad"),
    expected: sum("expected"),
  };
}

/** Groups, the last of them left out. */
interface Band {
  readonly from: number;
  readonly to: number;
}

/** About the cohort's fifths, each of them with enough people in every region. */
function mergeBands(
  regions: readonly RegionSums[],
  groups: readonly ScoreGroup[],
  minCell: number,
): readonly Band[] {
  const people = groups.reduce((sum, group) => sum + group.people, 0);
  const enough = (band: Band): boolean =>
    regions.every((region) => cellOf(region, band).people >= minCell);
  const bands: Band[] = [];
  let from = 0;
  let below = 0;
  groups.forEach((group, i) => {
    below += group.people;
    const isDue = below >= (people * (bands.length + 1)) / BANDS - group.people / 2;
    const band = { from, to: i + 1 };
    if (!isDue || !enough(band)) return;
    bands.push(band);
    from = i + 1;
  });
  const last = bands.at(-1);
  if (from < groups.length && last !== undefined) {
    bands.splice(-1, 1, { from: last.from, to: groups.length });
  }
  return bands;
}

function cellOf(region: RegionSums, { from, to }: Band): RegionBand {
  const sum = (values: Float64Array): number => total(values.subarray(from, to));
  const people = sum(region.people);
  return { people, bad: sum(region.bad), expected: sum(region.expected) / Math.max(1, people) };
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
