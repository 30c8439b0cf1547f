// `wjf up | demo | ask`: the federation as a whole.
import { enableCompileCache } from "node:module";
import type { Command } from "commander";
import type { AskOptions } from "./ask.ts";
import { action, withJson } from "./command.ts";

export function registerFederationCommands(program: Command): void {
  withJson(program.command("up"))
    .description("start the whole federation on this machine, until Ctrl-C")
    .addHelpText("after", "\nSettings are environment variables: see docs/OPERATIONS.md.")
    .action(
      action(async (output) => {
        await keepCompiled();
        await (await import("./up.ts")).up(output);
      }),
    );

  withJson(program.command("demo"))
    .description("start everything, ask every product something, print the answers, stop")
    .action(
      action(async (output) => {
        await keepCompiled();
        await (await import("./demo.ts")).demo(output);
      }),
    );

  withJson(program.command("ask"))
    .description("ask one question about one person (the federation must be up)")
    .option("--phone <number>", "the person's mobile number, +86…")
    .option("--id-number <number>", "the person's ID number, 18 characters")
    .option("--product <id@version>", "what to ask: see GET /v1/products", "credit-score@1")
    .option("--claims <json>", "what to verify, as JSON or @FILE; sealed before it leaves")
    .option("--purpose <dpv>", "the purpose the person is told", "dpv:CreditChecking")
    .option("--client <id>", "the institution that asks", "demo-bank")
    .option("--sealed", "get the answer sealed to the institution's key")
    .option("--wait", "wait for a real person instead of the sandbox's")
    .action(
      action<[AskOptions]>(async (output, options) =>
        (await import("./ask.ts")).ask(output, options),
      ),
    );
}

export function registerBenchCommand(program: Command): void {
  withJson(program.command("bench <name>"))
    .description("run one of the benchmarks of the checkout: NAME as in docs/PERFORMANCE.md")
    .option("--quick", "only see that it runs; nothing is written to bench/results/")
    .action(
      action<[string, { quick?: true }]>(async (output, name, options) =>
        (await import("./bench.ts")).bench(output, name, options),
      ),
    );
}

/** These two load everything that there is: with the code compiled they start in half the time. */
async function keepCompiled(): Promise<void> {
  const { cacheFolder, readSettings } = await import("../core/config.ts");
  enableCompileCache(cacheFolder(readSettings().home));
}
