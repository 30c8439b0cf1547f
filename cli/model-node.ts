// `wjf node models list | approve | reject | shadow | rollback`: a province operator's word on institutions' models.
// Takes effect at the running node within a second.
import { join } from "node:path";
import { type AdmittedPackage, packageFolder, readPackages } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { readTrustAnchor } from "../consent/index.ts";
import {
  decide,
  type ModelDecision,
  readDecisions,
  readShadow,
  rollBack,
  SHADOW_K,
  type ShadowTally,
  stateOf,
} from "../province-node/index.ts";
import { type Output, table } from "./output.ts";
import { type ChosenProvince, chosenProvinces, type ProvinceOptions } from "./province-option.ts";

export interface DecideOptions extends ProvinceOptions {
  readonly note?: string;
}

interface Province extends ChosenProvince {
  readonly packages: readonly AdmittedPackage[];
  readonly unread: readonly string[];
}

function readProvinces(options: ProvinceOptions): readonly Province[] {
  return chosenProvinces(options).map(({ code, folder }) => {
    const anchor = readTrustAnchor(join(folder, "secrets", "trust.jwk"));
    const { packages, faults } = readPackages(packageFolder(folder), anchor);
    return { code, folder, packages, unread: faults.map(({ file }) => file) };
  });
}

export async function nodeModelsList(output: Output, options: ProvinceOptions): Promise<void> {
  const listed = readProvinces(options).map(({ code, folder, packages, unread }) => {
    const decisions = readDecisions(folder);
    const shadow = readShadow(folder);
    const models = packages.map((each) => ({
      product: each.ref,
      owner: each.body.owner,
      sha256: each.sha256,
      state: stateOf(decisions, each),
      ...shadowSummary(shadow.get(each.ref)),
    }));
    return { province: code, models, unread };
  });
  const rows = listed.flatMap(({ province, models }) =>
    models.map(({ product, owner, state, sha256, shadow }) => [
      province,
      product,
      owner,
      state,
      sha256.slice(0, 16),
      shadow === undefined ? "" : shadowText(shadow),
    ]),
  );
  output.line(table([["province", "model", "owner", "state", "SHA-256", "in shadow"], ...rows]));
  for (const { province, unread } of listed) {
    for (const file of unread) output.line(`${province}: ${file} does not verify and is not used`);
  }
  output.result(listed);
}

/** Nothing below k people: a tally of a few is about those few. */
function shadowSummary(tally: ShadowTally | undefined) {
  if (tally === undefined || tally.scored < SHADOW_K) return {};
  const { scored, buckets, compared, difference } = tally;
  const apart = compared < SHADOW_K ? null : difference / compared;
  return { shadow: { scored, buckets, mean_difference: apart } };
}

type ShadowSummary = NonNullable<ReturnType<typeof shadowSummary>["shadow"]>;

function shadowText({ scored, mean_difference: apart }: ShadowSummary): string {
  const beside = apart === null ? "" : `, ${apart.toFixed(1)} points from the version asked`;
  return `${scored} scored${beside}`;
}

export async function nodeModelsDecide(
  output: Output,
  ref: string,
  state: ModelDecision["state"],
  options: DecideOptions,
): Promise<void> {
  const decided = readProvinces(options).map(({ code, folder, packages }) => {
    const found = packages.find((each) => each.ref === ref);
    if (found === undefined) {
      throw new WjfError("model-invalid", `${ref}: province ${code} has no such package`);
    }
    return { province: code, ...decide(folder, found, state, systemClock, options.note) };
  });
  output.line(`${ref}: ${state} in ${decided.length} province(s)`);
  output.result(decided);
}

export async function nodeModelsRollback(
  output: Output,
  id: string,
  options: ProvinceOptions,
): Promise<void> {
  const done = readProvinces(options).map(({ code, folder, packages }) => ({
    province: code,
    ...rollBack(folder, packages, id, systemClock),
  }));
  for (const { province, ended, restored } of done) {
    output.line(`${province}: ${ended} ended, ${restored} in force`);
  }
  output.result(done);
}
