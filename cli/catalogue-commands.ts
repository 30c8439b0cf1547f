// `wjf catalogue list | show | check`: what the products are made of, as everybody who runs this software has it.
import type { Command } from "commander";
import type { CheckOptions, ListOptions } from "./catalogue.ts";
import { action, withJson } from "./command.ts";

export function registerCatalogueCommands(program: Command): void {
  const catalogue = program.command("catalogue").description("indicators, products, models, tags");

  withJson(catalogue.command("list"))
    .description("every entry of one kind, or how many there are of each")
    .argument("[kind]", "indicators, verifications, products, models, sub-scores, tags, watches, …")
    .option("--family <family>", "only this family, group, dimension or class")
    .action(
      action<[string | undefined, ListOptions]>(async (output, kind, options) =>
        (await import("./catalogue.ts")).catalogueList(output, kind, options),
      ),
    );

  withJson(catalogue.command("show"))
    .description("one entry in full, whatever kind it is")
    .argument("<id>", "for example use.spend_avg_3m, credit-score@1, id.three_elements")
    .action(
      action<[string]>(async (output, id) =>
        (await import("./catalogue.ts")).catalogueShow(output, id),
      ),
    );

  withJson(catalogue.command("check"))
    .description("load the declarations, check every reference and bound, run all SQL once")
    .option("--folder <folder>", "declarations to check instead of those that are in use")
    .option("--no-sql", "leave out running the SQL over empty tables")
    .action(
      action<[CheckOptions]>(async (output, options) =>
        (await import("./catalogue.ts")).catalogueCheck(output, options),
      ),
    );
}
