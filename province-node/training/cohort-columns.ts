// From the people that an institution named to the columns of those who are here: looked up by subject tag, one row a person however
// often named, natural values of the job's indicators. Pure but for the lookups; nothing here leaves the node.
import type { Catalogue, PersonRecord } from "../../catalogue/index.ts";
import { WjfError } from "../../core/errors.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { subjectTag, type TagKind } from "../../crypto/index.ts";
import { COMMITMENT_BYTES, type LabelledPeople } from "../../consent/verifier.ts";
import type { CohortMember, LabelBlock, StoredColumns } from "./training-store.ts";

const TAG_BYTES = 32;
/** Of a tag, enough to know the same person again among those of one province. */
const WHO_BYTES = 16;

/** @throws WjfError `data-invalid` when there is not a commitment for everyone. */
export function tagPeople(
  { subjects, commitments }: LabelledPeople,
  subjectKey: Buffer,
): Pick<LabelBlock, "tags" | "commitments"> {
  const bytes = Buffer.from(commitments, "base64");
  if (bytes.length !== subjects.length * COMMITMENT_BYTES) {
    throw new WjfError("data-invalid", "commitments: one for everyone");
  }
  const tags = subjects.map((subject) => {
    const at = subject.indexOf(":");
    return subjectTag(subjectKey, subject.slice(0, at) as TagKind, subject.slice(at + 1));
  });
  return { tags: Buffer.concat(tags), commitments: bytes };
}

export interface Cohort extends StoredColumns {
  readonly members: readonly CohortMember[];
}

/** @throws WjfError `data-invalid` for a feature that this province's catalogue has not. */
export function readCohort(
  blocks: readonly Pick<LabelBlock, "tags" | "commitments">[],
  features: readonly string[],
  lookup: (tag: SubjectTag) => PersonRecord | undefined,
  { positions, indicatorById }: Pick<Catalogue, "positions" | "indicatorById">,
): Cohort {
  const places = features.map((id) => {
    const [position, scale] = [positions.get(id), indicatorById.get(id)?.scale];
    if (position === undefined || scale === undefined) {
      throw new WjfError("data-invalid", `features: ${id} is not in this province's catalogue`);
    }
    return { position, scale };
  });
  const rows: number[] = [];
  const values: number[][] = places.map(() => []);
  const members: CohortMember[] = [];
  const seen = new Set<string>();
  for (const { tags, commitments } of blocks) {
    for (let i = 0; i * TAG_BYTES < tags.length; i++) {
      const tag = Buffer.from(tags.subarray(i * TAG_BYTES, (i + 1) * TAG_BYTES)) as SubjectTag;
      const number = lookup(tag)?.numbers[0];
      // Named twice, by phone and by ID number: once in the cohort. To refuse would say that the two belong together.
      if (number === undefined || seen.has(number.identity.msisdn)) {
        rows.push(-1);
        continue;
      }
      seen.add(number.identity.msisdn);
      rows.push(members.length);
      const who = Buffer.from(number.identity.msisdn, "hex").subarray(0, WHO_BYTES);
      members.push([who, commitments.subarray(i * COMMITMENT_BYTES, (i + 1) * COMMITMENT_BYTES)]);
      places.forEach(({ position, scale }, c) => {
        const stored = number.values[position] ?? null;
        values[c]?.push(stored === null ? NaN : stored / scale);
      });
    }
  }
  return {
    rows: Int32Array.from(rows),
    columns: values.map((column) => Float64Array.from(column)),
    members,
  };
}
