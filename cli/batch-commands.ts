// `wjf batch`: many questions at once.
import type { Command } from "commander";
import type { BatchOptions } from "./batch.ts";
import { action, withJson } from "./command.ts";

export function registerBatchCommands(program: Command): void {
  withJson(program.command("batch"))
    .description("ask many questions at once: NDJSON rows in, NDJSON results out")
    .argument("[file]", 'rows: {"product", "token", "claims"?, "query_id"?}, one a line')
    .option("--out <file>", "where the results go (default: FILE.results.ndjson)")
    .option("--resume <id>", "follow a batch that was sent before, instead of sending one")
    .option("--client <id>", "the institution that asks", "demo-bank")
    .option(
      "--purpose <dpv>",
      "the purpose people are told, for rows with a phone",
      "dpv:CreditChecking",
    )
    .option("--sealed", "get the answers sealed to the institution's key; they are opened here")
    .addHelpText(
      "after",
      `
In the sandbox a row may name a person instead of a token: {"product", "phone" or "id_number", "claims"? as JSON};
the consent is asked for first, and the rows as they are sent go to FILE.rows.ndjson.
Sending the same rows twice asks twice: when the command is interrupted, go on with --resume.`,
    )
    .action(
      action<[string | undefined, BatchOptions]>(async (output, file, options) =>
        (await import("./batch.ts")).batch(output, file, options),
      ),
    );
}
