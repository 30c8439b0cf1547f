// `wjf alerts …`: what the gateway has to tell an institution, and what it could not deliver.
import { type Command, Option } from "commander";
import type { AlertOptions, PageOptions } from "./alerts.ts";
import { action, withJson } from "./command.ts";

export function registerAlertCommands(program: Command): void {
  const alerts = program.command("alerts").description("alerts to an institution");
  withOwner(alerts.command("tail"))
    .description("print an institution's alerts from a cursor on")
    .option("--after <cursor>", "the last alert that is known", "0")
    .addOption(new Option("--follow", "wait for further ones").conflicts("json"))
    .action(
      action<[PageOptions]>(async (output, options) =>
        (await import("./alerts.ts")).tailAlerts(output, options),
      ),
    );
  withOwner(alerts.command("dead-letters"))
    .description("print the alerts that were given up")
    .option("--after <cursor>", "the last one that is known", "0")
    .action(
      action<[PageOptions]>(async (output, options) =>
        (await import("./alerts.ts")).printDeadLetters(output, options),
      ),
    );
  withOwner(alerts.command("redeliver"))
    .description("deliver what was given up after all: all of it, or one alert")
    .argument("[cursor]", "the alert's cursor")
    .action(
      action<[string | undefined, AlertOptions]>(async (output, cursor, options) =>
        (await import("./alerts.ts")).redeliverAlerts(output, cursor, options),
      ),
    );
}

function withOwner(command: Command): Command {
  return withJson(command)
    .option(
      "--token <file>",
      "a consent token of the institution's, for the alerts of other keys of its too (default: of what its own key has watched)",
    )
    .option("--client <id>", "the institution", "demo-bank");
}
