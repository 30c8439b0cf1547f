// A gateway that asks a node again what it asked before the node was killed. Failure: a second vector under the masks of the first. It need
// not be of other data: with credentials that fail the second is zeros, and the difference is the province's part in the clear,
// under the authority's key alone. Not failure: that the node answers what it was never asked.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ItemCredentials } from "../../proto/index.ts";
import type { HostileFanOut } from "../federation/hostile-gateway.ts";
import { type NodeProcess, replaceNode } from "../federation/node-process.ts";
import { openScene, type Scene } from "../federation/scene.ts";

const REPEATED = expect.objectContaining({
  code: "descriptor-invalid",
  cause: expect.objectContaining({
    details: expect.stringMatching(/answered before$/) as string,
  }) as Error,
}) as Error;
const PROVINCE = "11";

let scene: Scene;
let node: NodeProcess;
beforeAll(async () => {
  scene = await openScene();
  node = await replaceNode(scene.federation, PROVINCE);
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
});

async function question(): Promise<ItemCredentials> {
  const consent = await scene.bank.consent({ subject: scene.msisdn(1), maxUses: 5 });
  return await scene.bank.sign(consent, { product: "credit-score@1" });
}

async function replay({ digested }: HostileFanOut, credentials: readonly ItemCredentials[]) {
  return await scene.hostile.evaluate(PROVINCE, digested, credentials);
}

test("a fan-out that was answered is not answered again by a node that was killed", async () => {
  const { hostile } = scene;
  const asked = await question();
  const answered = [await hostile.fanOut([asked]), await hostile.fanOut([await question()])];
  await node.kill();
  node = await replaceNode(scene.federation, PROVINCE);
  for (const fanOut of answered) {
    const spoiled = { ...asked, token: `${asked.token}A` };
    for (const credentials of [fanOut.credentials, [spoiled]]) {
      await expect(replay(fanOut, credentials)).rejects.toEqual(REPEATED);
    }
  }
  // It is back: the same question as another fan-out, with other masks, is answered and merges.
  const again = await hostile.fanOut([asked]);
  expect(hostile.refusals(PROVINCE, again.replies[0] as never)).toEqual([]);
  expect(await hostile.release(again)).toMatchObject([{ result: "answer" }]);
});
