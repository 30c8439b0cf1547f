// `wjf node training list | show | approve | refuse`: what a province's operator sees and decides of institutions' training jobs. Takes
// effect at the running node before its next round.
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { decideTraining, listTraining, type OperatorJob } from "../province-node/index.ts";
import { type Output, table } from "./output.ts";
import { chosenProvinces, type ProvinceOptions } from "./province-option.ts";

export interface DecideTrainingOptions extends ProvinceOptions {
  readonly note?: string;
}

export async function nodeTrainingList(output: Output, options: ProvinceOptions): Promise<void> {
  const listed = chosenProvinces(options).map(({ code, folder }) => ({
    province: code,
    jobs: listTraining(folder).map((job) => summary(job, code)),
  }));
  const rows = listed.flatMap(({ province, jobs }) =>
    jobs.map(({ id, institution, state, people, rounds, expires }) => [
      province,
      id,
      institution,
      state,
      String(people),
      `${rounds.answered}/${rounds.at_most}`,
      expires,
    ]),
  );
  const header = ["province", "job", "institution", "state", "people", "rounds", "expires"];
  output.line(table([header, ...rows]));
  output.result(listed);
}

export async function nodeTrainingShow(
  output: Output,
  id: string,
  options: ProvinceOptions,
): Promise<void> {
  const catalogue = loadCatalogue();
  const shown = chosenProvinces(options).map(({ code, folder }) => {
    const job = listTraining(folder).find((each) => each.id === id);
    if (job === undefined) throw new WjfError("route-unknown", `no training job ${id} in ${code}`);
    return { province: code, ...summary(job, code), terms: job.admission };
  });
  for (const { province, institution, state, note, people, rounds, expires, terms } of shown) {
    const { job, lawful_basis: ground } = terms;
    output.line(`Province ${province}: ${state}${note === "" ? "" : ` (${note})`}`);
    output.line(`  institution   ${institution}, ${terms.client_name}`);
    output.line(`  purpose       ${job.purpose}`);
    output.line(`  lawful basis  ${ground.basis}: ${ground.reference}`);
    output.line(
      `  people        ${people} named here, of ${total(terms.people)} in ${terms.people.length} provinces`,
    );
    output.line(`  rounds        ${rounds.answered} answered, ${rounds.at_most} at most`);
    if (terms.by_region === true) {
      output.line("  by region     the score is evaluated by region, three provinces or more each");
    }
    if (terms.drift === true) {
      output.line("  drift         people without labels: how one score is spread over them");
    }
    output.line(`  expires       ${expires}`);
    for (const feature of job.features) {
      const { zh = "", en = "" } = catalogue.indicatorById.get(feature) ?? {};
      output.line(`  indicator     ${feature}  ${zh}  ${en}`);
    }
  }
  output.result(shown);
}

export async function nodeTrainingDecide(
  output: Output,
  id: string,
  decision: "approved" | "refused",
  options: DecideTrainingOptions,
): Promise<void> {
  const decided = chosenProvinces(options).map(({ code, folder }) => {
    const job = decideTraining(folder, id, decision, systemClock, options.note);
    return { province: code, ...summary(job, code) };
  });
  output.line(`${id}: ${decision} in ${decided.length} province(s)`);
  output.result(decided);
}

function summary({ id, state, note, roundsAnswered, admission }: OperatorJob, code: ProvinceCode) {
  const { job, people, max_rounds, expires_at } = admission;
  return {
    id,
    institution: job.client,
    state,
    note,
    people: people[job.provinces.indexOf(code)] ?? 0,
    rounds: { answered: roundsAnswered, at_most: max_rounds },
    expires: new Date(expires_at * 1000).toISOString(),
  };
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
