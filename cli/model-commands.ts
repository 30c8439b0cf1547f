// `wjf model …`: an institution's own risk model, from a choice of weights to a signed package; and `wjf node models …`:
// what a province's operator decides about packages.
import { type Command, Option } from "commander";
import { action, withJson } from "./command.ts";
import type { NewOptions } from "./model-draft.ts";
import type { AdmitOptions, SignOptions } from "./model-files.ts";
import type { DecideOptions } from "./model-node.ts";
import type { PreviewOptions } from "./model-preview.ts";
import type { ProvinceOptions } from "./province-option.ts";

export function registerModelCommands(program: Command): void {
  const model = program.command("model").description("an institution's own risk model");
  registerDrafting(model);
  registerPackages(model);
  const node = program.commands.find((command) => command.name() === "node");
  if (node !== undefined) registerDecisions(node);
}

function registerDrafting(model: Command): void {
  withJson(model.command("new"))
    .description("a model from weights over the six sub-scores, or over the indicator library")
    .requiredOption("--id <id>", "the model is risk-model:<id>")
    .option(
      "--sub-scores <weights>",
      "identity=20,stability=20,… (see wjf catalogue list sub-scores)",
    )
    .option(
      "--indicators <weights>",
      "use.spend_avg_3m=30,val.loan_days_90d=-20: minus, less is better",
    )
    .option("--bands <bands>", "from the best: id=lowest score", "low=75,medium=55,high=0")
    .option("--owner <client>", "the institution's client id", "demo-bank")
    .option("--model-version <n>", "version", "1")
    .option("--zh <name>", "Chinese name")
    .option("--en <name>", "English name")
    .option("--out <file>", "default: <id>.model.json")
    .action(
      action<[NewOptions]>(async (output, options) =>
        (await import("./model-draft.ts")).modelNew(output, options),
      ),
    );

  withJson(model.command("check"))
    .description("whether a model, signed or not, fits the catalogue and its bounds")
    .argument("<file>")
    .action(
      action<[string]>(async (output, file) =>
        (await import("./model-check.ts")).modelCheck(output, file),
      ),
    );

  withJson(model.command("preview"))
    .description("what it would answer about generated people: distribution, bands, reasons")
    .argument("<file>")
    .option("--people <n>", "how many generated people", "1000")
    .option("--out <file>", "the page to write", "model-preview.html")
    .action(
      action<[string, PreviewOptions]>(async (output, file, options) =>
        (await import("./model-preview.ts")).modelPreview(output, file, options),
      ),
    );
}

function registerPackages(model: Command): void {
  withJson(model.command("sign"))
    .description("sign it with the owner's key: it becomes a package")
    .argument("<file>")
    .option("--key <jwk>", "private key file (default: the owner's in WJF_HOME/institutions)")
    .option("--out <file>", "default: <id>-<version>.package.json")
    .action(
      action<[string, SignOptions]>(async (output, file, options) =>
        (await import("./model-files.ts")).modelSign(output, file, options),
      ),
    );

  withJson(model.command("admit"))
    .description("the authority's operator: verify a package's owner and countersign it")
    .argument("<package>")
    .option("--out <file>", "default: the same file")
    .action(
      action<[string, AdmitOptions]>(async (output, file, options) =>
        (await import("./model-files.ts")).modelAdmit(output, file, options),
      ),
    );

  withJson(model.command("install"))
    .description("put an admitted package into a party's folder; a province still has to approve")
    .argument("<package>")
    .requiredOption("--party <party>", "authority, gateway, or a province's code")
    .action(
      action<[string, { party: string }]>(async (output, file, options) =>
        (await import("./model-files.ts")).modelInstall(output, file, options.party),
      ),
    );

  withJson(model.command("submit"))
    .description("sandbox: admit a package and install it at every party; provinces then decide")
    .argument("<package>")
    .action(
      action<[string]>(async (output, file) =>
        (await import("./model-files.ts")).modelSubmit(output, file),
      ),
    );
}

function registerDecisions(node: Command): void {
  const models = node.command("models").description("which institutions' models run here");
  const province = (): Option =>
    new Option(
      "--province <codes>",
      "GB/T 2260 codes, comma-separated, or all",
    ).makeOptionMandatory();

  withJson(models.command("list"))
    .description("every package here and what was decided about it")
    .addOption(province())
    .action(
      action<[ProvinceOptions]>(async (output, options) =>
        (await import("./model-node.ts")).nodeModelsList(output, options),
      ),
    );

  for (const [name, state, description] of [
    ["approve", "approved", "let it answer"],
    ["reject", "rejected", "refuse every question for it"],
    ["shadow", "shadow", "evaluate it and count its scores, but never answer"],
  ] as const) {
    withJson(models.command(name))
      .description(description)
      .argument("<model@version>")
      .addOption(province())
      .option("--note <text>", "why, kept with the decision")
      .action(
        action<[string, DecideOptions]>(async (output, ref, options) =>
          (await import("./model-node.ts")).nodeModelsDecide(output, ref, state, options),
        ),
      );
  }

  withJson(models.command("rollback"))
    .description("end the newest approved version, put the approved one before it in force again")
    .argument("<model>")
    .addOption(province())
    .action(
      action<[string, ProvinceOptions]>(async (output, id, options) =>
        (await import("./model-node.ts")).nodeModelsRollback(output, id, options),
      ),
    );
}
