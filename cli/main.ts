#!/usr/bin/env node
// wjf: starts, asks, operates and verifies. Parses arguments and dispatches; each command is loaded when it is used.
import { Command, CommanderError } from "commander";
import { WjfError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { createOutput, type Output } from "./output.ts";

const program = new Command("wjf")
  .description("WeiJiFen: a privacy-preserving federated credit-query gateway")
  .version(VERSION)
  .showHelpAfterError("(add --help for the options)")
  .exitOverride();

/** Runs a command with its Output; expected refusals are told in one line and exit 1. */
export function action<A extends unknown[]>(
  run: (output: Output, ...args: A) => Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.pop() as Command;
    const { json } = command.opts<{ json?: boolean }>();
    await run(createOutput(json === true), ...(args as A));
  };
}

export function withJson(command: Command): Command {
  return command.option(
    "--json",
    "one JSON document on standard output, the rest on standard error",
  );
}

withJson(program.command("up"))
  .description("start the whole federation on this machine, until Ctrl-C")
  .addHelpText("after", "\nSettings are environment variables: see docs/OPERATIONS.md.")
  .action(action(async (output) => (await import("./up.ts")).up(output)));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof WjfError) {
    process.stderr.write(`wjf: ${error.code}: ${error.message}\n`);
    return 1;
  }
  process.stderr.write(
    `wjf: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return 70;
}
