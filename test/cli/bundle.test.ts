// What `wjf up` starts its nodes from: a node in one file answers as the sources do, and finds what lies beside them.
import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundleProvinceNode } from "../../cli/bundle.ts";
import { Bank } from "../federation/bank.ts";
import { startFederation } from "../federation/federation.ts";
import { replaceNode } from "../federation/node-process.ts";

test("a node in one file answers beside a node that runs the sources", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "wjf-bundle-"));
  await using federation = await startFederation({ provinces: 2, peoplePerProvince: 4 });
  const bank = await Bank.register(federation);
  const subject = federation.truth[0]?.numbers[0]?.msisdn as string;
  const consent = await bank.consent({ subject, maxUses: 100 });
  const before = await bank.ask(consent, "credit-score@1");

  const main = await bundleProvinceNode(folder.path);
  await using _node = await replaceNode(federation, federation.provinces[0]?.code as string, main);
  // Until the gateway has found the new process, and that has heard from the authority.
  for (;;) {
    const { status, answer, coverage } = await bank.ask(consent, "credit-score@1");
    if (status !== 200 || coverage.answered !== 2) continue;
    expect(answer).toEqual(before.answer);
    break;
  }
});
