#!/usr/bin/env node
// wjf: starts, asks, operates and verifies. Parses arguments and dispatches; what a command does is loaded when it runs.
import { Command, CommanderError } from "commander";
import { errorEntry, WjfError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { registerAlertCommands } from "./alert-commands.ts";
import { registerAuditCommands } from "./audit-commands.ts";
import { registerBatchCommands } from "./batch-commands.ts";
import { registerCatalogueCommands } from "./catalogue-commands.ts";
import { registerClientCommands } from "./client-commands.ts";
import { registerConsentCommands } from "./consent-commands.ts";
import { registerBenchCommand, registerFederationCommands } from "./federation-commands.ts";
import { registerModelCommands } from "./model-commands.ts";
import { registerNodeCommands } from "./node-commands.ts";
import { registerObjectionCommands } from "./objection-commands.ts";
import { registerOfferCommands } from "./offer-commands.ts";
import { registerDriftCommand, registerTrainCommand } from "./train-commands.ts";
import { registerWatchCommands } from "./watch-commands.ts";

const program = new Command("wjf")
  .description("WeiJiFen: a privacy-preserving federated credit-query gateway")
  .version(VERSION)
  .showHelpAfterError("(add --help for the options)")
  .exitOverride();

registerFederationCommands(program);
registerBatchCommands(program);
registerWatchCommands(program);
registerBenchCommand(program);
registerAlertCommands(program);
registerNodeCommands(program);
registerClientCommands(program);
registerConsentCommands(program);
registerObjectionCommands(program);
registerOfferCommands(program);
registerAuditCommands(program);
registerCatalogueCommands(program);
registerModelCommands(program);
registerTrainCommand(program);
registerDriftCommand(program);

/** sysexits EX_SOFTWARE: a fault of ours. */
const EX_SOFTWARE = 70;

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof WjfError) {
    process.stderr.write(`wjf: ${error.code}: ${error.message}\n${errorEntry(error.code).next}\n`);
    return 1;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`wjf: ${text}\n`);
  return EX_SOFTWARE;
}
