// `wjf train`: an institution trains a model with the federation. `wjf node training …`: a province's operator decides on it.
import { type Command, InvalidArgumentError, Option } from "commander";
import { LAWFUL_BASES } from "../consent/lawful-basis.ts";
import { action, withJson } from "./command.ts";
import type { ProvinceOptions } from "./province-option.ts";
import type { DriftArguments } from "./drift.ts";
import type { DecideTrainingOptions } from "./train-node.ts";
import type { TrainArguments } from "./train.ts";

export function registerTrainCommand(program: Command): void {
  withJson(program.command("train"))
    .description("train a scorecard on labels of one's own and indicators of the provinces'")
    .option("--labels <file>", "CSV: phone or id_number, label (1: bad), province?, time?")
    .option("--features <ids>", "indicators, comma-separated: see `wjf catalogue indicators`", list)
    .option("--purpose <dpv>", "what the model is for", "dpv:CreditChecking")
    .addOption(lawfulBasis())
    .option("--reference <text>", "where that ground is written down")
    .option("--provinces <codes>", "comma-separated GB/T 2260 codes (default: all)", list)
    .addOption(
      new Option("--columns <form>", "weights of evidence by bin, or standardised values")
        .choices(["woe", "raw"])
        .default("woe"),
    )
    .option("--bins <n>", "bins of an indicator, at most", count, 10)
    .option("--monotone", "merge bins until the bad rate only rises or only falls")
    .option("--l2 <lambda>", "ridge penalty", number, 1)
    .option("--min-iv <value>", "leave out indicators of less information value", number, 0)
    .option("--max-correlation <r>", "of two that correlate more, keep one", number, 1)
    .option("--max-p <p>", "leave out coefficients of a larger p-value, one by one", number, 1)
    .option("--by-region", "evaluate by region too, of three provinces or more; operators see it")
    .option("--rounds <n>", "rounds asked of the provinces, at most", count, 60)
    .option("--days <n>", "how long the job may take, approval included", count, 7)
    .option("--model <id>", "what the model package is called: risk-model:<id>")
    .option("--out <folder>", "where report and package go (default: beside the labels)")
    .option("--resume <id>", "go on with a job that was interrupted")
    .option("--no-wait", "begin the job and stop; go on with --resume")
    .option("--client <id>", "the institution", "demo-bank")
    .action(
      action<[TrainArguments]>(async (output, options) =>
        (await import("./train.ts")).train(output, options),
      ),
    );
}

export function registerDriftCommand(program: Command): void {
  withJson(program.command("drift"))
    .description("how far today's people are from those a scorecard was trained on (PSI)")
    .option("--people <file>", "CSV: phone or id_number, province?, time?; no labels")
    .option("--package <file>", "the trained scorecard's package, or its draft")
    .option("--purpose <dpv>", "what the model is for", "dpv:CreditChecking")
    .addOption(lawfulBasis())
    .option("--reference <text>", "where that ground is written down")
    .option("--provinces <codes>", "comma-separated GB/T 2260 codes (default: all)", list)
    .option("--days <n>", "how long the job may take, approval included", count, 7)
    .option("--resume <id>", "go on with a job that was interrupted")
    .option("--no-wait", "begin the job and stop; go on with --resume")
    .option("--client <id>", "the institution", "demo-bank")
    .action(
      action<[DriftArguments]>(async (output, options) =>
        (await import("./drift.ts")).drift(output, options),
      ),
    );
}

function lawfulBasis(): Option {
  const does = "the ground in law; operators and the log see it";
  return new Option("--lawful-basis <basis>", does).choices(LAWFUL_BASES);
}

export function registerNodeTrainingCommands(node: Command): void {
  const training = node.command("training").description("institutions' training jobs here");
  withProvince(training.command("list"))
    .description("every job that this province was shown")
    .action(
      action<[ProvinceOptions]>(async (output, options) =>
        (await import("./train-node.ts")).nodeTrainingList(output, options),
      ),
    );
  withProvince(training.command("show <id>"))
    .description("one job: whose, for what, on what ground, over what, how often")
    .action(
      action<[string, ProvinceOptions]>(async (output, id, options) =>
        (await import("./train-node.ts")).nodeTrainingShow(output, id, options),
      ),
    );
  const decisions = {
    approve: ["approved", "let the job have labels and rounds here"],
    refuse: ["refused", "let it have nothing, or nothing more"],
  } as const;
  for (const [name, [decision, does]] of Object.entries(decisions)) {
    withProvince(training.command(`${name} <id>`))
      .description(does)
      .option("--note <text>", "why; the institution sees it")
      .action(
        action<[string, DecideTrainingOptions]>(async (output, id, options) =>
          (await import("./train-node.ts")).nodeTrainingDecide(output, id, decision, options),
        ),
      );
  }
}

function withProvince(command: Command): Command {
  return withJson(command).requiredOption(
    "--province <codes>",
    "GB/T 2260 codes, comma-separated, or `all` of this machine's",
  );
}

function list(text: string): readonly string[] {
  return text.split(",").map((each) => each.trim());
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,2}$/.test(text)) throw new InvalidArgumentError("a number from 1 to 999");
  return Number(text);
}

function number(text: string): number {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) throw new InvalidArgumentError("a number from 0");
  return Number(text);
}
