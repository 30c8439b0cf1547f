// `wjf watch …`: an institution has somebody watched after a loan, sees its watches, ends them.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Period } from "../consent/index.ts";
import { action, withJson } from "./command.ts";
import type { WatchOptions, WatchSetOptions } from "./watch.ts";
import type { WatchAddOptions } from "./watch-add.ts";

export function registerWatchCommands(program: Command): void {
  const watch = program.command("watch").description("what may change about somebody after a loan");
  withClient(watch.command("add"))
    .description(
      "ask a person for a PERIODIC consent, and watch them under it; or a whole file of people",
    )
    .option("--from <file>", "watches, a JSON object a line: see below")
    .option("--phone <number>", "the person's mobile number, +86…")
    .option("--id-number <number>", "the person's ID number, 18 characters")
    .option("--condition <test>", "what to watch for, up to eight times: see below", listed)
    .option("--sink <url>", "the HTTPS address that changes are sent to")
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
  --condition contact_silent:contact_msisdn=+8613800138000

A line of FILE: {"phone" or "id_number" or "token", "conditions": ["closed", …], "sink"?, "watch_id"?}. A token has to be
bound to the institution's signing key. What is sent goes to FILE.rows.ndjson first, and what came of it to
FILE.results.ndjson; run again, the command goes on with those rows, and what is there already stays as it is. A row that
is refused holds up no other and is told with its line; it is tried again by the next run, but nobody who has said no is
asked the same again. The status is 0 once every row has its result, refused or not, as with \`wjf batch\`.`,
    )
    .action(
      action<[WatchAddOptions & { readonly from?: string }]>(
        async (output, { from, ...options }) => {
          if (from === undefined) await (await import("./watch-add.ts")).addWatch(output, options);
          else await (await import("./watch-file.ts")).addWatches(output, { from, ...options });
        },
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
  withClient(watch.command("set <id>"))
    .description("change where a watch tells, or let it end sooner")
    .option("--sink <url>", "the HTTPS address that changes are sent to from now on")
    .option("--expires <time>", "2027-01-31T00:00:00Z; sooner only")
    .option("--max-events <n>", "end after so many changes", count)
    .action(
      action<[string, WatchSetOptions]>(async (output, id, options) =>
        (await import("./watch.ts")).setWatch(output, id, options),
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
