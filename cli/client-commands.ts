// `wjf client …`: the authority's operator registers institutions, changes their keys, ends them. It works on the
// authority's database directly, beside the running authority; what it changes counts from the next request on.
import type { Command } from "commander";
import type { AddClientArguments, RotateClientArguments } from "./client.ts";
import { action, withJson } from "./command.ts";

export function registerClientCommands(program: Command): void {
  const client = program.command("client").description("the institutions that may ask");

  keyOptions(withJson(client.command("add <id>")))
    .description("register an institution")
    .requiredOption("--name <name>", "the name that people see when they are asked")
    .requiredOption("--contact <text>", "where people reach it")
    .option("--product <id@version...>", "what it may ask (default: every product)")
    .option("--purpose <dpv...>", "what for", ["dpv:CreditChecking"])
    .option("--sealed-only", "it takes answers sealed to its encryption key, and no others")
    .option("--per-second <n>", "queries a second, at most")
    .option("--per-day <n>", "queries a day, at most")
    .option(
      "--per-person-per-day <n>",
      "answers about one person in 24 hours, at most; none: no budget",
    )
    .option("--claims-per-person-per-day <n>", "of them, answers of products that take claims")
    .option("--consents-per-minute <n>", "requests for consent a minute, at most")
    .action(
      action<[string, AddClientArguments]>(async (output, id, options) =>
        (await import("./client.ts")).clientAdd(output, id, options),
      ),
    );

  withJson(client.command("list"))
    .description("every institution, disabled ones too")
    .action(action(async (output) => (await import("./client.ts")).clientList(output)));

  keyOptions(withJson(client.command("rotate <id>")))
    .description("give an institution new keys")
    .option("--overlap", "its old signing keys stay valid until the next rotation without this")
    .action(
      action<[string, RotateClientArguments]>(async (output, id, options) =>
        (await import("./client.ts")).clientRotate(output, id, options),
      ),
    );

  withJson(client.command("disable <id>"))
    .description("no token, no request for consent, no answer from now on")
    .action(
      action<[string]>(async (output, id) =>
        (await import("./client.ts")).clientDisable(output, id),
      ),
    );
}

function keyOptions(command: Command): Command {
  return command
    .option("--jwks <file>", "its public keys, a JWK Set: one or more `use` sig, at most one enc")
    .option("--generate", "make its keys here, in WJF_HOME/institutions (for trying out)");
}
