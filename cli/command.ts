// How every command is declared: it takes --json, and gets an Output before its own arguments. With --json a refusal is the one JSON
// document, unless the command had printed its own before.
import type { Command } from "commander";
import { errorEntry, WjfError } from "../core/errors.ts";
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
    const output = createOutput(json === true);
    let isTold = false;
    const result = (value: unknown): void => {
      isTold = true;
      output.result(value);
    };
    try {
      await run({ ...output, result }, ...(args as A));
    } catch (error) {
      if (!isTold) output.result(failure(error));
      throw error;
    }
  };
}

/** Nothing of an unexpected error; standard error has it. */
export function failure(error: unknown): object {
  const { code, detail } = error instanceof WjfError ? error : new WjfError("internal");
  const { title, next } = errorEntry(code);
  return { error: code, title, ...(detail !== undefined && { detail }), next };
}
