// Epoch (by count), token key, certificates and roster are each renewed under load, once; rotation.slow.ts does it for minutes.
// Failure: a question that is not answered, or not with the right answer; a rotation that does not come about. Not a failure: an
// answer that takes longer.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RotatingFederation, startRotatingFederation } from "./rotating-federation.ts";

const MAX_RELEASES = 60;

let scene: RotatingFederation;
beforeAll(async () => {
  scene = await startRotatingFederation({
    members: 3,
    people: 4,
    perSecond: 25,
    environment: { WJF_EPOCH_MAX_RELEASES: String(MAX_RELEASES) },
  });
});
afterAll(async () => scene[Symbol.asyncDispose]());

test("everything is renewed under load, and every question gets its answer", async () => {
  const { load, rotations, members, outside, federation } = scene;
  const [, second] = members;
  const { number: first } = federation.authority.epochs.current();
  await scene.ask();
  load.start();
  expect(await scene.askOutside()).toBe("unknown");
  await Promise.all([
    rotations.certificates(),
    rotations.tokenKeys(),
    rotations.join(outside),
    rotations.rekey(second as never),
  ]);
  // Consents whose tokens the next key has signed.
  await scene.ask();
  expect(await scene.askOutside()).toBe("yes");
  await load.more(2 * MAX_RELEASES);
  await rotations.leave(outside);
  await load.more(MAX_RELEASES);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(await scene.askOutside()).toBe("unknown");
  expect([...scene.coverages].toSorted()).toEqual(["3/3", "4/4"]);
  const { number: last, roster } = federation.authority.epochs.current();
  // Tokens are issued under the subject key of the epoch, and those of an earlier one are still opened: the load's are.
  expect(federation.authority.service.options.epoch()).toBe(last);
  // Join, leave, and at least once because it was used up.
  expect(last).toBeGreaterThanOrEqual(first + 3);
  expect(roster.provinces.map(({ code }) => code)).toEqual(members);
  const rekeyed = roster.provinces.find(({ code }) => code === second);
  const before = federation.enrolments.find(({ code }) => code === second);
  expect(rekeyed?.mask_key.x).not.toBe(before?.mask_key.x);
  process.stderr.write(
    `${load.answered} answers at ${load.reached.toFixed(0)}/s over ${last - first} epochs, ${load.heldBack} held back\n`,
  );
});
