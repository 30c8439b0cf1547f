// `wjf demo`: starts the whole federation on embedded storage, asks every product something through the real flow, sets
// each answer beside the oracle's, prints them, stops. Fails when one answer differs.
import { type Answer, loadCatalogue } from "../catalogue/index.ts";
import { canonicalJson } from "../core/canonical.ts";
import { readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { stopSignal } from "../core/process.ts";
import { Oracle } from "../province-node/index.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { demoInterviews, type Interview, type Question } from "./demo-questions.ts";
import { Institution, type Subject } from "./institution.ts";
import { type Output, table } from "./output.ts";
import { readTruth, sandboxAsof, sandboxFolder } from "./prepare.ts";
import { startFederation } from "./up.ts";

export interface DemoAnswer {
  readonly product: string;
  readonly subject: string;
  readonly about: string;
  readonly answer: Answer;
  readonly expected: Answer;
  readonly coverage: { readonly answered: number; readonly of: number };
  readonly ms: number;
}

const MAX_USES = 50;

/** @throws WjfError `internal` when an answer is not what the oracle says. */
export async function demo(output: Output): Promise<void> {
  using stop = stopSignal();
  const settings = readSettings();
  await using federation = await startFederation(output, stop.signal);
  const { provinces, processes, seconds } = federation;
  output.line(`Ready in ${seconds.toFixed(1)} s: ${processes.services.length} processes.`);
  output.line();
  const answers = await askEverything(settings, output, stop.signal);
  printAnswers(answers, output);
  output.result({ provinces, processes: processes.services.length, answers });
  const wrong = answers.filter((answer) => !isExpected(answer));
  if (wrong.length > 0)
    throw new WjfError("internal", `${wrong.length} answers are not as expected`);
}

async function askEverything(
  settings: Settings,
  output: Output,
  signal: AbortSignal,
): Promise<DemoAnswer[]> {
  const catalogue = loadCatalogue();
  const interviews = demoInterviews(readTruth(settings.home), catalogue);
  const oracle = Oracle.open(sandboxFolder(settings.home), sandboxAsof(settings.home));
  const bank = new Institution(settings, readInstitutionKeys(settings.home));
  const total = interviews.reduce((sum, { questions }) => sum + questions.length, 0);
  using progress = output.progress("questions asked", total);
  const answers: DemoAnswer[] = [];
  for (const interview of interviews) {
    const consent = await bank.consent({
      subject: interview.subject,
      products: interview.products,
      purpose: "dpv:CreditChecking",
      result: interview.result,
      maxUses: MAX_USES,
      sandboxApproves: true,
    });
    for (const question of interview.questions) {
      if (signal.aborted) return answers;
      const { reply, ms } = await bank.ask(consent, question.product, question);
      answers.push({
        product: question.product,
        subject: interview.label,
        about: question.about,
        answer: reply.answer as Answer,
        expected: expectedAnswer(oracle, interview, question),
        coverage: reply.coverage,
        ms: Math.round(ms * 10) / 10,
      });
      progress.update(answers.length);
    }
  }
  return answers;
}

function expectedAnswer(oracle: Oracle, { subject }: Interview, { product, claims }: Question) {
  // Nobody but the demo's one bank asks here, so the authority counts no other institution.
  return oracle.expected(product, oracleSubject(subject), claims, { institutionsWithin: () => 0 });
}

function oracleSubject({ kind, value }: Subject) {
  return kind === "msisdn" ? { msisdn: value } : { cnId: value };
}

function isExpected({ answer, expected }: DemoAnswer): boolean {
  return canonicalJson(answer) === canonicalJson(expected);
}

function printAnswers(answers: readonly DemoAnswer[], output: Output): void {
  const rows = answers.map((each) => [
    each.subject,
    each.product,
    each.about,
    brief(each.answer),
    isExpected(each) ? "as expected" : `NOT: ${brief(each.expected)}`,
    `${each.coverage.answered}/${each.coverage.of}`,
    `${each.ms.toFixed(0)} ms`,
  ]);
  const head = ["who", "product", "question", "answer", "oracle", "coverage", "time"];
  output.line(table([head, ...rows]));
  const right = answers.filter(isExpected).length;
  output.line();
  output.line(
    `${right} of ${answers.length} answers are what the oracle computes from the raw rows.`,
  );
  output.line(
    "The bank saw its own questions and the answers; the gateway saw opaque tokens, sealed claims and ciphertexts.",
  );
  output.line(
    "Each province evaluated its own people only, and never saw an answer; the authority saw sums, never a claim or a province's part.",
  );
}

function brief(answer: Answer): string {
  switch (answer.kind) {
    case "yes_no":
      return answer.value;
    case "score":
      return answer.value === null ? "unknown" : `${answer.value} ${answer.band ?? ""}`.trim();
    case "alerts":
      return answer.changes.map(({ condition, state }) => `${condition} ${state}`).join(",");
    case "tags":
      return answer.tags.slice(0, 3).join(",") || "(none hold)";
  }
}
