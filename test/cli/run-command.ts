// One command in this process, through the command line's own parser, with --json: its exit status, its one document, and what it
// said to people.
import { Command } from "commander";
import { expect, vi } from "vitest";

export interface Printed {
  readonly status: number;
  readonly result: Record<string, unknown>;
  readonly text: string;
}

/** @throws what the command throws. */
export async function runCommand(
  registers: readonly ((program: Command) => void)[],
  ...args: readonly string[]
): Promise<Printed> {
  const program = new Command("wjf").exitOverride();
  for (const register of registers) register(program);
  const out: string[] = [];
  const err: string[] = [];
  const into = (texts: string[]) => (text: unknown) => {
    texts.push(String(text));
    return true;
  };
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation(into(out));
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation(into(err));
  const before = process.exitCode;
  try {
    process.exitCode = 0;
    await program.parseAsync([...args, "--json"], { from: "user" });
    const status = process.exitCode;
    expect(out).toHaveLength(1);
    const result = JSON.parse(out.join("")) as Printed["result"];
    return { status, result, text: err.join("") };
  } finally {
    process.exitCode = before;
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
