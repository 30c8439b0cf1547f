// How every command is declared: it takes --json, and gets an Output before its own arguments.
import type { Command } from "commander";
import { createOutput, type Output } from "./output.ts";

export function withJson(command: Command): Command {
  return command.option(
    "--json",
    "one JSON document on standard output, the rest on standard error",
  );
}

/** Adapts a command's function to commander, which calls with the arguments, then options, then the command. */
export function action<A extends unknown[]>(
  run: (output: Output, ...args: A) => Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.pop() as Command;
    const { json } = command.opts<{ json?: boolean }>();
    await run(createOutput(json === true), ...(args as A));
  };
}
