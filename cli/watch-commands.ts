// `wjf watch …`: an institution has somebody watched after a loan, sees its watches, ends them.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Period } from "../consent/index.ts";
import { action, withJson } from "./command.ts";
import type { WatchAddOptions, WatchOptions } from "./watch.ts";

export function registerWatchCommands(program: Command): void {
  const watch = program.command("watch").description("what may change about somebody after a loan");
  withClient(watch.command("add"))
    .description("ask a person for a PERIODIC consent, and watch them under it")
    .option("--phone <number>", "the person's mobile number, +86…")
    .option("--id-number <number>", "the person's ID number, 18 characters")
    .requiredOption("--condition <test>", "what to watch for, up to eight times: see below", listed)
    .requiredOption("--sink <url>", "the HTTPS address that changes are sent to")
    .addOption(
      new Option("--every <period>", "how often to look, from 1h to 90d: 6h, 1d, 2w")
        .argParser(period)
        .default(DAILY, "1d"),
    )
    .option("--days <n>", "how long the consent is asked for", count, 90)
    .option("--max-events <n>", "end after so many changes", count)
    .option("--purpose <dpv>", "the purpose the person is told", "dpv:CustomerSolvencyMonitoring")
    .option("--sealed", "changes sealed to the institution's key")
    .option("--wait", "wait for a real person instead of the sandbox's")
    .addHelpText(
      "after",
      `
A condition is a post-loan test of the catalogue with its thresholds and claims, all of one product; they are sealed
before they leave. The first is condition 0 in what is told.
  --condition suspended_arrears --condition sim_changed:days=30
  --condition contact_silent:contact_msisdn=+8613800138000`,
    )
    .action(
      action<[WatchAddOptions]>(async (output, options) =>
        (await import("./watch.ts")).addWatch(output, options),
      ),
    );
  withClient(watch.command("list"))
    .description("the institution's watches, those that have ended too")
    .action(
      action<[WatchOptions]>(async (output, options) =>
        (await import("./watch.ts")).listWatches(output, options),
      ),
    );
  withClient(watch.command("show <id>"))
    .description("one watch")
    .action(
      action<[string, WatchOptions]>(async (output, id, options) =>
        (await import("./watch.ts")).showWatch(output, id, options),
      ),
    );
  withClient(watch.command("remove <id>"))
    .description("end a watch; the consent stays as it is")
    .action(
      action<[string, WatchOptions]>(async (output, id, options) =>
        (await import("./watch.ts")).removeWatch(output, id, options),
      ),
    );
}

const DAILY: Period = { unit: "DAY", value: 1 };
const UNITS: Readonly<Record<string, Period["unit"]>> = { h: "HOUR", d: "DAY", w: "WEEK" };

function withClient(command: Command): Command {
  return withJson(command).option("--client <id>", "the institution", "demo-bank");
}

function listed(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function period(text: string): Period {
  const [, value, letter = ""] = /^([1-9][0-9]{0,2})([hdw])$/.exec(text) ?? [];
  const unit = UNITS[letter];
  if (unit === undefined) throw new InvalidArgumentError("a period: 6h, 1d, 2w");
  return { unit, value: Number(value) };
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError("a number from 1");
  return Number(text);
}
