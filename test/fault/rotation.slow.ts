// Epoch (by time, count and roster), token keys, certificates and roster are renewed over and over while 100 questions a second
// are asked, or as many as the machine carries: the rate reached is printed. Failure: a question that is not answered, or not
// with the right answer; a rotation that does not come about. WJF_ROTATION_ROUNDS and WJF_ROTATION_RATE say how often and how fast.
import { expect, test } from "vitest";
import { showLeaves } from "../../consent/log/index.ts";
import { startRotatingFederation } from "./rotating-federation.ts";

const ROUNDS = Number(process.env["WJF_ROTATION_ROUNDS"] ?? 5);
const PER_SECOND = Number(process.env["WJF_ROTATION_RATE"] ?? 100);
const LIFETIME_S = 20;
const MAX_RELEASES = 500;

test(`${ROUNDS} rounds of every rotation at ${PER_SECOND} questions a second: none fails`, async () => {
  await using scene = await startRotatingFederation({
    members: 4,
    people: 6,
    perSecond: PER_SECOND,
    environment: {
      WJF_EPOCH_LIFETIME_S: String(LIFETIME_S),
      WJF_EPOCH_MAX_RELEASES: String(MAX_RELEASES),
    },
  });
  const { load, rotations, members, outside, federation } = scene;
  const { number: first } = federation.authority.epochs.current();
  const counts = { token: 0, certificates: 0, joined: 0, left: 0, rekeyed: 0 };
  await scene.ask();
  load.start();
  for (let round = 0; round < ROUNDS && load.failures.length === 0; round++) {
    expect(await scene.askOutside()).toBe("unknown");
    const rekeyed = members[round];
    await Promise.all([
      rotations.certificates(),
      rotations.tokenKeys(),
      rotations.join(outside),
      rekeyed !== undefined && rotations.rekey(rekeyed),
    ]);
    await scene.ask();
    expect(await scene.askOutside()).toBe("yes");
    await load.more(MAX_RELEASES);
    await rotations.certificates();
    await rotations.leave(outside);
    await load.more(MAX_RELEASES);
    counts.token++;
    counts.certificates += 2;
    counts.joined++;
    counts.left++;
    if (rekeyed !== undefined) counts.rekeyed++;
  }
  // The epoch of now ends by its age, whatever else there is.
  const { epoch: number } = await rotations.known();
  await rotations.until(({ epoch }) => epoch > number);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect([...scene.coverages].toSorted()).toEqual(["4/4", "5/5"]);
  let opened = 0;
  for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
    if (leaf.type === "epoch") opened++;
  }
  const { number: last } = federation.authority.epochs.current();
  expect(opened).toBe(last);
  process.stderr.write(
    `${load.answered} answers, all right, at ${load.reached.toFixed(0)}/s of ${PER_SECOND}/s (${load.heldBack} held back) ` +
      `over ${last - first} rotations of the epoch; ${JSON.stringify(counts)}\n`,
  );
});
