// `wjf node …`, `wjf gateway serve`, `wjf authority serve`, `wjf keys init`: what each party's operator runs.
import { type Command, Option } from "commander";
import { registerProvinceCommands, registerSuspensionCommands } from "./authority-commands.ts";
import { action, withJson } from "./command.ts";
import type { CeremonyArguments } from "./keys-init.ts";
import type { EnrolmentArguments } from "./node-enrolment.ts";
import type { LoadArguments } from "./node-load.ts";
import type { ServeOptions } from "./serve.ts";
import { registerNodeTrainingCommands } from "./train-commands.ts";

export function registerNodeCommands(program: Command): void {
  const node = program.command("node").description("run a province node on one's own data");
  const province = (): Option =>
    new Option("--province <code>", "GB/T 2260 code, 11 … 65").makeOptionMandatory();

  withJson(node.command("init"))
    .description("make this province's folder and its own keys, and say what is still missing")
    .addOption(province())
    .action(
      action<[{ province: string }]>(async (output, options) =>
        (await import("./node-enrolment.ts")).nodeInit(output, options),
      ),
    );

  withJson(node.command("load"))
    .description("load a folder of raw tables into the province's serving store")
    .addOption(province())
    .requiredOption(
      "--from <source>",
      "the raw tables: a folder of CSV or Parquet, or a postgres:// address",
    )
    .option(
      "--asof <date>",
      "the day the tables are as of, YYYY-MM-DD (default: today in Shanghai)",
    )
    .option("--mapping <file>", "which of your files and columns are which of ours (JSON)")
    .option("--incremental", "the source holds only new days: keep history beside the store")
    .option("--quality", "write a data-quality report: text, JSON and HTML")
    .action(
      action<[LoadArguments]>(async (output, options) =>
        (await import("./node-load.ts")).nodeLoad(output, options),
      ),
    );

  withJson(node.command("status"))
    .description("what this province's store holds and whether its keys are in order")
    .addOption(province())
    .action(
      action<[{ province: string }]>(async (output, options) =>
        (await import("./node-load.ts")).nodeStatus(output, options),
      ),
    );

  withJson(node.command("drain"))
    .description(
      "take no new questions: for maintenance; the federation goes on without this province",
    )
    .addOption(province())
    .action(
      action<[{ province: string }]>(async (output, options) =>
        (await import("./node-load.ts")).nodeDrain(output, options, true),
      ),
    );

  withJson(node.command("resume"))
    .description("take questions again after `drain`; the gateway notices within half a minute")
    .addOption(province())
    .action(
      action<[{ province: string }]>(async (output, options) =>
        (await import("./node-load.ts")).nodeDrain(output, options, false),
      ),
    );

  const enrolments = {
    enrol: "make this province's keys, if there are none, and what the roster says of it",
    rekey: "make the keys that are to follow; they serve when the roster names them",
  } as const;
  for (const [name, does] of Object.entries(enrolments)) {
    withJson(node.command(name))
      .description(does)
      .addOption(province())
      .option(
        "--endpoint <host:port>",
        "where the gateway reaches the node (default: this machine)",
      )
      .requiredOption("--out <file>", "where the enrolment goes: public keys only")
      .action(
        action<[EnrolmentArguments]>(async (output, options) =>
          (await import("./node-enrolment.ts")).nodeEnrol(output, options, name === "rekey"),
        ),
      );
  }

  registerNodeTrainingCommands(node);

  service(node, "node")
    .description("serve this province to the gateway, until Ctrl-C")
    .addOption(province())
    .option("--metrics-port <port>", "show metrics to this machine, on this port (default: none)");

  const gateway = program.command("gateway").description("the institutions' gateway");
  service(gateway, "gateway").description("serve, until Ctrl-C");

  const authority = program.command("authority").description("the consent authority");
  service(authority, "authority").description("serve, until Ctrl-C");
  registerSuspensionCommands(authority);
  registerProvinceCommands(authority);

  const keys = program.command("keys").description("the parties' keys and certificates");
  withJson(keys.command("init"))
    .description("the development ceremony: a CA, every party's keys, the federation document")
    .option("--provinces <codes>", "comma-separated GB/T 2260 codes (default: all 31)")
    .option("--node-host <pattern>", "host of a province's node; %s is its code", "127.0.0.1")
    .action(
      action<[CeremonyArguments]>(async (output, options) =>
        (await import("./keys-init.ts")).keysInit(output, options),
      ),
    );

  withJson(keys.command("renew-tls"))
    .description("new certificates from the development CA; running parties take them over")
    .option("--party <party>", "authority, gateway or a GB/T 2260 code (default: everybody)")
    .action(
      action<[{ party?: string }]>(async (output, options) =>
        (await import("./keys-renew.ts")).keysRenewTls(output, options),
      ),
    );
}

/** A service is a process of its own entry point: the command becomes it. */
function service(party: Command, kind: "authority" | "gateway" | "node"): Command {
  return withJson(party.command("serve")).action(
    action<[ServeOptions]>(async (output, options) =>
      (await import("./serve.ts")).serve(output, kind, options),
    ),
  );
}
