// `wjf consent …`: the authority's operator looks at consents, and ends or pauses them; and destroys what may be kept no
// longer. `wjf keys rotate-token`: the authority's token-signing key.
import { type Command, InvalidArgumentError } from "commander";
import { action, withJson } from "./command.ts";
import type { ConsentListArguments, RetentionArguments } from "./consent.ts";

export function registerConsentCommands(program: Command): void {
  const consent = program.command("consent").description("the consents that people have given");

  withJson(consent.command("list"))
    .description("the newest consents; nothing in it says who the person is")
    .option("--client <id>", "of one institution")
    .option("--state <state>", "REQUESTED, ACTIVE, PAUSED, REVOKED, EXPIRED, CONSUMED or DENIED")
    .option("--limit <n>", "at most so many", count, 50)
    .action(
      action<[ConsentListArguments]>(async (output, options) =>
        (await import("./consent.ts")).consentList(output, options),
      ),
    );

  withJson(consent.command("show <id>"))
    .description("one consent: its terms, its state, its uses")
    .action(
      action<[string]>(async (output, id) =>
        (await import("./consent.ts")).consentShow(output, id),
      ),
    );

  const changes = {
    revoke: "end it for good",
    pause: "refuse questions until it is resumed",
    resume: "allow questions again",
  } as const;
  for (const [name, does] of Object.entries(changes)) {
    withJson(consent.command(`${name} <id>`))
      .description(`${does}; the change is in the audit log when this returns`)
      .option("--receipt <file>", "write the log's receipt for it here")
      .action(
        action<[string, { receipt?: string }]>(async (output, id, options) =>
          (await import("./consent.ts")).consentChange(
            output,
            id,
            name as keyof typeof changes,
            options,
          ),
        ),
      );
  }

  withJson(consent.command("retention"))
    .description("say what may be kept no longer, then destroy it")
    .option("--dry-run", "only say")
    .action(
      action<[RetentionArguments]>(async (output, options) =>
        (await import("./consent.ts")).consentRetention(output, options),
      ),
    );

  withJson(keysGroup(program).command("rotate-token"))
    .description("sign tokens with the next key from now on; a running authority follows by itself")
    .action(action(async (output) => (await import("./consent-keys.ts")).rotateToken(output)));
}

function keysGroup(program: Command): Command {
  return program.commands.find((command) => command.name() === "keys") ?? program.command("keys");
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError("a number, 1 to 999999");
  return Number(text);
}
