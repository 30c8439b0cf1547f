// `wjf authority suspensions | reinstate`: which gateways are suspended after a failed merge audit, and letting one back in.
import type { Command } from "commander";
import { action, withJson } from "./command.ts";

export function registerSuspensionCommands(authority: Command): void {
  withJson(authority.command("suspensions"))
    .description("the suspended gateways; with --json, each with its signed proof")
    .action(action(async (output) => (await import("./authority.ts")).suspensionList(output)));

  withJson(authority.command("reinstate <gateway>"))
    .description(
      "lift a suspension, once its operator has answered for it; it is a leaf of the log",
    )
    .action(
      action<[string]>(async (output, gateway) =>
        (await import("./authority.ts")).gatewayReinstate(output, gateway),
      ),
    );
}
