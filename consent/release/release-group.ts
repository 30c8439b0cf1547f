// The release of one fan-out: everything about it that must hold together is one transaction, however many questions it
// carries: each client may ask, each consent lives and is spent, no other answer was ever given under a query id, and release and
// audit leaves are appended. A question that fails is refused alone, before anything of it is written; refusals are in the log, too,
// before any of it is told.
import type { Catalogue } from "../../catalogue/index.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { inSpan } from "../../core/tracing.ts";
import type { AtRest } from "../at-rest.ts";
import type { Client } from "../clients.ts";
import type { ConsentLedger } from "../ledger.ts";
import type { LeafDraft } from "../log/leaf.ts";
import type { ManifestWatch } from "../manifest.ts";
import { GroupDecisions } from "./group-decisions.ts";
import type { Refusal, RefusalLog } from "./refusal-log.ts";
import type { Question } from "./stored-answer.ts";

export interface GroupReleaseParts {
  readonly ledger: ConsentLedger;
  readonly catalogue: Catalogue;
  readonly atRest: AtRest;
  readonly log: Logger;
  readonly refusals: RefusalLog;
}

export interface AnsweredItem {
  readonly question: Question;
  /** Which evaluation of which watch it is, if it is one. */
  readonly watch?: ManifestWatch;
  readonly sealed: boolean;
  /** Decrypted sums of this item's slots. */
  readonly sums: readonly number[];
  /** Provinces whose values are in the sums. */
  readonly answered: number;
  /** Why the first province that would not evaluate it would not. */
  readonly nodeRefusal: ErrorCode | undefined;
}

/** A question that was refused before any sum was looked at. */
export interface RefusedItem {
  readonly refused: Refusal;
}

export interface GroupRelease {
  readonly items: readonly (AnsweredItem | RefusedItem)[];
  /** Provinces in the roster. */
  readonly of: number;
  readonly descriptorDigest: string;
  readonly epoch: number;
  /** Leaves about the fan-out itself. */
  readonly leaves: readonly LeafDraft[];
}

/** One question's outcome; `answer` is JSON without the receipt. */
export type ReleasedItem =
  | { readonly answer: string; readonly receipt: string; readonly client: Client }
  | { readonly refusal: ErrorCode };

/** @throws WjfError only for the fan-out as a whole, and then nothing of it has been released. */
export async function releaseGroup(
  release: GroupRelease,
  parts: GroupReleaseParts,
): Promise<readonly ReleasedItem[]> {
  const { ledger, refusals } = parts;
  const commit = () =>
    ledger.transact(async (tx, at) => {
      const group = await GroupDecisions.read(release, tx, at, parts);
      const decided = release.items.map((item) => group.decide(item));
      await group.write();
      return { value: decided, leaves: group.leaves };
    });
  const { value, receipts } = await inSpan("commit", commit, {
    attributes: { "wjf.questions": release.items.length },
  });
  await refusals.record(value.flatMap((each) => ("refused" in each ? [each.refused] : [])));
  const first = receipts[0]?.index ?? 0;
  return await Promise.all(
    value.map(async (decided) => {
      if ("refused" in decided) return { refusal: decided.refused.code };
      const { answer, client, leaf } = decided;
      const receipt =
        decided.old === true ? await ledger.log.receipt(leaf) : receipts[leaf - first];
      return { answer, client, receipt: receipt?.text ?? "" };
    }),
  );
}
