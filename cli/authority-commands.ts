// `wjf authority suspensions | reinstate`: which gateways are suspended after a failed merge audit, and letting one back in.
// `wjf authority province …`: who is in the roster, and under which keys.
import type { Command } from "commander";
import type { EnrolArguments } from "./authority-provinces.ts";
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

export function registerProvinceCommands(authority: Command): void {
  const province = authority.command("province").description("who is in the roster");

  withJson(province.command("list"))
    .description("the provinces of the next roster, with the digests of their enrolments")
    .action(
      action(async (output) => (await import("./authority-provinces.ts")).provinceList(output)),
    );

  const kinds = {
    join: "put a province into the roster; its node should be up",
    change: "another key or address of a province in the roster",
  } as const;
  for (const [kind, does] of Object.entries(kinds)) {
    withJson(province.command(`${kind} <file>`))
      .description(`${does}; FILE is from \`wjf node enrol\` or \`rekey\``)
      .option("--digest <sha256>", "what the province's operator read out")
      .action(
        action<[string, EnrolArguments]>(async (output, file, options) =>
          (await import("./authority-provinces.ts")).provinceEnrol(
            output,
            file,
            kind as keyof typeof kinds,
            options,
          ),
        ),
      );
  }

  withJson(province.command("leave <code>"))
    .description("take a province out; its node may stop when /v1/federation no longer lists it")
    .action(
      action<[string]>(async (output, code) =>
        (await import("./authority-provinces.ts")).provinceLeave(output, code),
      ),
    );
}
