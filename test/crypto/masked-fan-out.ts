// One fan-out's ciphertexts as the nodes make them: through province-node/reply.ts, the only way out of a province.
import { randomBytes, randomUUID } from "node:crypto";
import { digestRoster } from "../../crypto/index.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import {
  digestDescriptor,
  type DigestedDescriptor,
  type HeEncryptor,
  HE_PARAMETERS,
  type Masks,
} from "../../crypto/index.ts";
import type { EvaluateReply } from "../../proto/index.ts";
import { sealReply } from "../../province-node/reply.ts";
import { makeMasks, makeRoster, type TestRoster } from "./roster-fixture.ts";
import { randomSlots, shuffled } from "./slot-vectors.ts";

const { plainModulus: t, polyModulusDegree: n } = HE_PARAMETERS;

export interface TestNodes {
  readonly test: TestRoster;
  readonly rosterDigest: Buffer;
  readonly masks: ReadonlyMap<ProvinceCode, Masks>;
  readonly codes: readonly ProvinceCode[];
}

export function makeNodes(provinceCount: number): TestNodes {
  const test = makeRoster(provinceCount);
  const { digest: rosterDigest } = digestRoster(test.roster);
  const codes = test.roster.provinces.map(({ code }) => code);
  return { test, rosterDigest, masks: makeMasks(test, rosterDigest), codes };
}

/** A fan-out over some of the nodes, with one item as wide as is asked. */
export function describeFanOut(
  { test, rosterDigest }: TestNodes,
  provinces: readonly ProvinceCode[],
  slotWidth: number,
): DigestedDescriptor {
  return digestDescriptor({
    fan_out_id: randomUUID(),
    epoch: test.roster.epoch,
    roster_digest: rosterDigest.toString("hex"),
    provinces: provinces.toSorted(),
    items: [
      {
        query_id: randomUUID() as never,
        token_hash: randomBytes(32).toString("hex"),
        product: "credit-score@1" as never,
        claims_hash: randomBytes(32).toString("hex"),
        slot_offset: 1,
        slot_width: slotWidth,
      },
    ],
  });
}

export function someOf<T>(values: readonly T[], count: number): T[] {
  return shuffled(values).slice(0, count);
}

/** The node's reply over these partials, whose slot 0 it fills itself. */
export function replyOf(
  { test, masks }: TestNodes,
  province: ProvinceCode,
  partials: Uint32Array,
  digested: DigestedDescriptor,
  encryptor: HeEncryptor,
): EvaluateReply {
  return sealReply(Uint32Array.from(partials), digested, [], {
    province,
    signingKey: test.signingKeys.get(province) as never,
    masks: masks.get(province) as Masks,
    encryptor,
  });
}

/** Partials as real nodes have them: zero at most provinces, small integers where the person is held. */
export function partialsLike(slotsUsed: number, held: boolean): Uint32Array {
  return held ? randomSlots(slotsUsed, 255 * 850) : new Uint32Array(slotsUsed);
}

export const FULL_WIDTH = n - 1;
export const MODULUS = t;
