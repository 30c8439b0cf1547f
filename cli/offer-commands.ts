// `wjf offer …`: the authority's operator adds and retires merchants' offers; a merchant redeems a person's code for one.
import { type Command, InvalidArgumentError } from "commander";
import { action, withJson } from "./command.ts";
import type { AddOfferArguments, RedeemArguments } from "./offer.ts";

export function registerOfferCommands(program: Command): void {
  const offer = program.command("offer").description("credit life: merchants' offers and codes");

  withJson(offer.command("add <id>"))
    .description("what a merchant offers to people who reach a threshold")
    .requiredOption("--client <id>", "the merchant, a registered client")
    .requiredOption("--product <id@version>", "the threshold: wjf catalogue show lists them")
    .requiredOption("--zh <title>", "what it is, in Chinese")
    .requiredOption("--en <title>", "what it is, in English")
    .requiredOption("--until <day>", "the last day, YYYY-MM-DD, in China", lastMoment)
    .option("--max-uses <n>", "codes that may be redeemed, in all", count, 1_000_000)
    .action(
      action<[string, AddOfferArguments]>(async (output, id, options) =>
        (await import("./offer.ts")).offerAdd(output, id, options),
      ),
    );

  withJson(offer.command("list"))
    .description("every offer, those that are over too")
    .action(action(async (output) => (await import("./offer.ts")).offerList(output)));

  withJson(offer.command("retire <id>"))
    .description("no code for it is made or redeemed from now on")
    .action(
      action<[string]>(async (output, id) => (await import("./offer.ts")).offerRetire(output, id)),
    );

  withJson(offer.command("redeem <code>"))
    .description("the merchant's side: does whoever showed this code reach the threshold?")
    .requiredOption("--client <id>", "the merchant, with its keys in WJF_HOME/institutions")
    .requiredOption("--product <id@version>", "the offer's threshold")
    .action(
      action<[string, RedeemArguments]>(async (output, code, options) =>
        (await import("./offer.ts")).offerRedeem(output, code, options),
      ),
    );
}

/** The end of that day in China. */
function lastMoment(day: string): number {
  const ms = Date.parse(`${day}T23:59:59.999+08:00`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || Number.isNaN(ms)) {
    throw new InvalidArgumentError("a day, YYYY-MM-DD");
  }
  return ms;
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("a number from 1");
  return Number(text);
}
