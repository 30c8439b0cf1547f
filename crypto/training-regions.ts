// How a job's provinces fall into regions, for figures by region: fixed by their codes and by nobody's wish, so that two divisions of the
// same provinces can never be subtracted from each other. Authority and provinces each work it out. docs/decisions/074.
import type { ProvinceCode } from "../core/ids.ts";

export const REGION_RULES = {
  /** A region with fewer would tell of single provinces: each of two knows the other's part. */
  leastProvinces: 3,
  /** Of a cohort, that a province has to hold to count as one of its region's. */
  leastPeople: 20,
} as const;

/**
 * The six regions of GB/T 2260 (a code's first digit), as far as the job has their provinces. One with fewer than three of them joins
 * the next, the last the one before. A single region is everybody: then nothing is told by region.
 * @param provinces ascending.
 */
export function regionsOf(provinces: readonly ProvinceCode[]): (readonly ProvinceCode[])[] {
  const regions: ProvinceCode[][] = [];
  let open: ProvinceCode[] = [];
  provinces.forEach((code, i) => {
    open.push(code);
    const isLast = provinces[i + 1]?.[0] !== code[0];
    if (!isLast || open.length < REGION_RULES.leastProvinces) return;
    regions.push(open);
    open = [];
  });
  if (open.length > 0) regions.push([...(regions.pop() ?? []), ...open]);
  return regions;
}
