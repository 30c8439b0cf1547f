// `wjf objection …`: the authority's operator sees what people dispute, and says what was found within the twenty days.
import { Argument, type Command, InvalidArgumentError } from "commander";
import { action, withJson } from "./command.ts";
import type { ObjectionListArguments, ObjectionResolveArguments } from "./objection.ts";

export function registerObjectionCommands(program: Command): void {
  const objection = program.command("objection").description("what people dispute");

  withJson(objection.command("list"))
    .description("the open objections, those due first on top; the person's words only with --json")
    .option("--all", "the resolved ones too")
    .option("--limit <n>", "at most so many", count, 50)
    .action(
      action<[ObjectionListArguments]>(async (output, options) =>
        (await import("./objection.ts")).objectionList(output, options),
      ),
    );

  const finding = new Argument(
    "<finding>",
    "correct: it was wrong, and is corrected at its source; clear: it was right; record: it can be neither confirmed nor refuted, the mark stays",
  ).choices(["correct", "clear", "record"]);
  withJson(objection.command("resolve <id>").addArgument(finding))
    .description("say what was found; it is in the audit log when this returns")
    .requiredOption("--reply <text>", "what the person is told")
    .option("--receipt <file>", "write the log's receipt for it here")
    .action(
      action<[string, string, ObjectionResolveArguments]>(async (output, id, remedy, options) =>
        (await import("./objection.ts")).objectionResolve(output, id, remedy, options),
      ),
    );
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError("a number, 1 to 999999");
  return Number(text);
}
