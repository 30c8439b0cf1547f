// `wjf audit …`: what a regulator does with the audit log: copy it, verify it offline, look at leaves, check a receipt. All
// but reading the operator's own database works on any machine, with nothing of the authority's but its public keys.
import type { Command } from "commander";
import type { SourceArguments } from "./audit-source.ts";
import type { ShowArguments, VerifyArguments } from "./audit.ts";
import { action, withJson } from "./command.ts";

const WHERE = "a copied folder or the log's address, https://…/log (default: this WJF_HOME's log)";
const KEYS_HELP = `
The log's public keys come from, in this order: --key, --keys, WJF_HOME/authority/log-keys.txt, and last the log itself
(its file or address \`keys\`), which proves only that it is one log: for more, get the keys from its operator another way.`;

export function registerAuditCommands(program: Command): void {
  const audit = program.command("audit").description("the audit log: copy, verify, read");

  withJson(audit.command("export <dir>"))
    .description("copy the log in its tile layout; a later copy adds what is new")
    .option("--from <where>", WHERE)
    .action(
      action<[string, { from?: string }]>(async (output, dir, options) =>
        (await import("./audit.ts")).auditExport(output, dir, options),
      ),
    );

  keyOptions(withJson(audit.command("verify [where]")))
    .description(
      "verify every tile, every leaf and the rules among them; exit status 0 only if all holds",
    )
    .option(
      "--earlier <file>",
      "a checkpoint or receipt from before: the log must still begin with it",
    )
    .action(
      action<[string | undefined, VerifyArguments]>(async (output, where, options) =>
        (await import("./audit.ts")).auditVerify(output, where, options),
      ),
    );

  withJson(audit.command("show [where]"))
    .description("the leaves about one consent, one institution, one query; verify the log first")
    .option("--consent <id>")
    .option("--client <id>")
    .option("--query <id>")
    .action(
      action<[string | undefined, ShowArguments]>(async (output, where, options) =>
        (await import("./audit.ts")).auditShow(output, where, options),
      ),
    );

  keyOptions(withJson(audit.command("receipt <file>")))
    .description(
      "verify a receipt, offline: the .tlog-proof, or an answer that holds one; - for standard input",
    )
    .action(
      action<[string, SourceArguments]>(async (output, file, options) =>
        (await import("./audit.ts")).auditReceipt(output, file, options),
      ),
    );
}

function keyOptions(command: Command): Command {
  return command
    .option("--key <vkey...>", "a verifier key of the log, name+id+key (c2sp.org/signed-note)")
    .option("--keys <file>", "a file of them, one a line")
    .addHelpText("after", KEYS_HELP);
}
