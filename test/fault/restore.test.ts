// The authority's folder copied while it is stopped, the machine lost, the copy put on an empty one: the same log goes on, and
// what was spent stays spent. A failure: a log that does not continue the checkpoint from before, a consent spent twice, an
// answer without its leaf.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { httpReader, verifyLog } from "../../consent/log/index.ts";
import { startAuthority } from "../../consent/start.ts";
import { partyFolder } from "../../core/config.ts";
import { silentLogger } from "../../core/log.ts";
import { Bank } from "../federation/bank.ts";
import { startFederation } from "../federation/federation.ts";

test("a restored authority continues the same log and refuses to spend twice", async () => {
  await using federation = await startFederation({ provinces: 2, peoplePerProvince: 4 });
  const bank = await Bank.register(federation);
  const subject = federation.truth[0]?.numbers[0]?.msisdn as string;
  const spent = await bank.consent({ subject, maxUses: 1 });
  const unspent = await bank.consent({ subject, maxUses: 1 });
  expect(await bank.ask(spent, "credit-score@1")).toMatchObject({ status: 200 });
  const { verifierKeys } = federation.authority.ledger.log;
  const log = `${federation.authority.url}/log`;
  const earlier = await (await fetch(`${log}/checkpoint`)).text();

  await federation.authority[Symbol.asyncDispose]();
  const folder = partyFolder(federation.settings.home, "authority");
  const backup = mkdtempSync(join(tmpdir(), "wjf-backup-"));
  cpSync(folder, backup, { recursive: true });
  rmSync(folder, { recursive: true });
  cpSync(backup, folder, { recursive: true });
  rmSync(backup, { recursive: true });

  await using _restored = await startAuthority(federation.settings, silentLogger);
  const again = async (): Promise<unknown> => {
    for (;;) {
      const reply = await bank.ask(unspent, "credit-score@1");
      // Gateway and nodes find the authority again by themselves; until then the refusal may be repeated.
      if (reply.status !== 503) return reply;
    }
  };
  expect(await again()).toMatchObject({ status: 200 });
  for (const consent of [spent, unspent]) {
    expect(await bank.ask(consent, "credit-score@1")).toMatchObject({ code: "consent-consumed" });
  }
  const report = await verifyLog(httpReader(log), { verifierKeys, earlier });
  expect(report).toMatchObject({ ok: true, leaves: { release: 2 } });
});
