// What a hostile gateway gets from the authority: nothing more than an honest one. It holds the gateway's certificate and
// signing key, drives the real gRPC, and every honest node answers it. Merges are audited always (p = 1) unless said.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join } from "node:path";
import { disableClient } from "../../consent/clients.ts";
import { ConsentOperator } from "../../consent/index.ts";
import { sha256 } from "../../core/canonical.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder } from "../../core/config.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import {
  generateP256,
  importPrivate,
  MergeCommitment,
  openStatement,
  signStatement,
} from "../../crypto/index.ts";
import {
  AuthorityClient,
  type FederationUpdate,
  type ItemCredentials,
  readTlsIdentity,
  type ReleaseOutcome,
} from "../../proto/index.ts";
import { secondSignature } from "../attacks/forged-jws.ts";
import { Bank } from "./bank.ts";
import type { HostileFanOut } from "./hostile-gateway.ts";
import { openScene, type Scene } from "./scene.ts";

const SCORE = { product: "credit-score@1" };
const refused = (code: ErrorCode) => expect.objectContaining({ code });
const refusal = (code: ErrorCode): ReleaseOutcome => ({ result: "refusal", refusal: code });

async function request(scene: Scene, index = 1, maxUses = 50): Promise<ItemCredentials> {
  const consent = await scene.bank.consent({ subject: scene.msisdn(index), maxUses });
  return await scene.bank.sign(consent, SCORE);
}

/** The merge with 1 added to one slot, encrypted under the real public key: what an oracle's user would ask. */
function altered({ hostile }: Scene, { replies }: HostileFanOut, slot = 1): Buffer {
  using encryptor = hostile.scheme.encryptor(hostile.epoch.publicKey);
  const delta = new Uint32Array(slot + 1);
  delta[slot] = 1;
  return hostile.merge([...ciphertexts(replies), encryptor.encrypt(delta)]);
}

function ciphertexts(replies: HostileFanOut["replies"]): Buffer[] {
  return replies.map(({ ciphertext }) => ciphertext);
}

function answerOf(outcome: ReleaseOutcome | undefined): Record<string, unknown> {
  if (outcome?.result !== "answer") throw new Error(`not an answer: ${JSON.stringify(outcome)}`);
  return JSON.parse(outcome.answer) as Record<string, unknown>;
}

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene[Symbol.asyncDispose]());

describe("who is registered", () => {
  function names(update: FederationUpdate, clientId: string): boolean | undefined {
    if (update.update !== "institutions") return undefined;
    return update.institutions.digests.some((digest) => digest.equals(sha256(clientId)));
  }

  test("the gateway is told, by digests, and of who comes and goes while it follows", async () => {
    const { db } = scene.federation.authority.service.options;
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const update of scene.hostile.authority.follow(stop.signal)) {
      const [bank, newcomer] = [names(update, scene.bank.clientId), names(update, "newcomer")];
      if (newcomer === undefined || newcomer === seen.at(-1)) continue;
      expect(bank).toBe(true);
      seen.push(newcomer);
      if (seen.length === 1) await Bank.register(scene.federation, { clientId: "newcomer" });
      if (seen.length === 2) await disableClient(db, systemClock, "newcomer");
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual([false, true, false]);
  });

  test("a node is not", async () => {
    const { settings } = scene.federation;
    const secrets = join(partyFolder(settings.home, "11" as ProvinceCode), "secrets");
    using authority = new AuthorityClient(settings.authorityEndpoint, readTlsIdentity(secrets));
    const stop = new AbortController();
    const told: string[] = [];
    for await (const { update } of authority.follow(stop.signal)) {
      told.push(update);
      // The last of what a follower is told at first.
      if (update === "status_list") stop.abort();
    }
    expect(new Set(told)).toEqual(new Set(["epoch", "status_list"]));
  });
});

describe("short of fraud: refused, and nothing is released or spent", () => {
  test("an honest merge is released, audited and logged", async () => {
    const fanOut = await scene.hostile.fanOut([await request(scene)]);
    const [outcome] = await scene.hostile.release(fanOut);
    expect(answerOf(outcome)).toMatchObject({ coverage: { answered: 3, of: 3 } });
    const digest = fanOut.digested.digest.toString("hex");
    const about = (leaf: { descriptor_sha256: string }) => leaf.descriptor_sha256 === digest;
    expect((await scene.leaves("merge-audit")).filter(about)).toMatchObject([
      { result: "matched" },
    ]);
    expect((await scene.leaves("release")).filter(about)).toHaveLength(1);
  });

  test("a replayed commit gets the same answer again, and spends nothing", async () => {
    const fanOut = await scene.hostile.fanOut([await request(scene, 2, 1)]);
    const first = await scene.hostile.release(fanOut);
    const again = await scene.hostile.release(fanOut);
    const { receipt: _first, ...answer } = answerOf(first[0]);
    const { receipt: _again, ...repeated } = answerOf(again[0]);
    expect(repeated).toEqual(answer);
    const id = answer["query_id"];
    expect((await scene.leaves("release")).filter((leaf) => leaf.query_id === id)).toHaveLength(1);
  });

  test("one signed question under a second valid signature is still one question", async () => {
    const consent = await scene.bank.consent({ subject: scene.msisdn(2), maxUses: 5 });
    const signed = await scene.bank.sign(consent, SCORE);
    const outcomes: Record<string, unknown>[] = [];
    // (r, n − s) verifies too, and nobody needs a key to write it.
    for (const proof of [signed.proof, secondSignature(signed.proof)]) {
      const fanOut = await scene.hostile.fanOut([{ ...signed, proof }]);
      outcomes.push(answerOf((await scene.hostile.release(fanOut))[0]));
    }
    expect(outcomes[1]?.["query_id"]).toBe(outcomes[0]?.["query_id"]);
    const released = (await scene.leaves("release")).filter(
      (leaf) => leaf.consent_id === consent.id,
    );
    expect(released).toHaveLength(1);
  });

  test("two sums over different provinces: only the first is ever told", async () => {
    const question = await request(scene, 3);
    const everyone = scene.hostile.everyone;
    const whole = await scene.hostile.fanOut([question]);
    const told = answerOf((await scene.hostile.release(whole))[0]);
    for (const missing of everyone) {
      const fewer = await scene.hostile.fanOut(
        [question],
        everyone.filter((code) => code !== missing),
      );
      const again = answerOf((await scene.hostile.release(fewer))[0]);
      expect(again).toMatchObject({ answer: told["answer"], coverage: told["coverage"] });
    }
  });

  test("one question tried with smaller rosters: each attempt is in the log, as a leaf or in a count", async () => {
    const { truth } = scene.federation;
    const index = truth.findIndex(({ numbers }) => numbers.length === 1);
    const home = truth[index]?.numbers[0]?.province;
    const without = scene.hostile.everyone.filter((code) => code !== home);
    const question = await request(scene, index);
    for (let i = 0; i < 2; i++) {
      const outcomes = await scene.hostile.release(await scene.hostile.fanOut([question], without));
      expect(outcomes).toEqual([refusal("coverage-incomplete")]);
    }
    const left = (await scene.leaves("refusal")).filter(
      ({ code, client_id }) => code === "coverage-incomplete" && client_id === scene.bank.clientId,
    );
    expect(left.filter(({ query_id }) => query_id !== undefined)).toHaveLength(1);
    expect(left.at(-1)).toMatchObject({ left_out: 1 });
  });

  test("a node dropped from the sum: no receipts but its own make it good", async () => {
    const { hostile } = scene;
    const fanOut = await hostile.fanOut([await request(scene)]);
    const two = fanOut.replies.slice(0, 2);
    const merged = hostile.merge(ciphertexts(two));
    const receipts = two.map(({ receipt }) => receipt);
    await expect(hostile.release(fanOut, { merged, receipts })).rejects.toEqual(
      refused("receipt-invalid"),
    );
    const [first, second] = receipts;
    const doubled = { merged, receipts: [first, second, second] as never };
    await expect(hostile.release(fanOut, doubled)).rejects.toEqual(refused("receipt-invalid"));
  });

  test("receipts of another fan-out, in another order, or signed by another key", async () => {
    const { hostile } = scene;
    const question = await request(scene);
    const fanOut = await hostile.fanOut([question]);
    const other = await hostile.fanOut([question]);
    const own = fanOut.replies.map(({ receipt }) => receipt);
    const statement = JSON.parse(own[0]?.statement.toString("utf8") ?? "") as object;
    const forged = signStatement("receipt", statement, importPrivate(generateP256("sig")));
    for (const receipts of [
      other.replies.map(({ receipt }) => receipt),
      own.toReversed(),
      [forged, ...own.slice(1)],
      [signStatement("receipt", statement, hostile.signingKey), ...own.slice(1)],
      own.slice(1),
      [...own, own[0]],
    ]) {
      await expect(hostile.release(fanOut, { receipts: receipts as never })).rejects.toEqual(
        refused("receipt-invalid"),
      );
    }
  });

  test("a commitment that is nobody's, to another merge, or for another purpose", async () => {
    const { hostile } = scene;
    const fanOut = await hostile.fanOut([await request(scene)]);
    const { commitment, merged } = hostile.commit(fanOut);
    const value = JSON.parse(commitment.statement.toString("utf8")) as object;
    const key = hostile.signingKey;
    for (const bent of [
      { key: importPrivate(generateP256("sig")) },
      { merged: altered(scene, fanOut), commitment },
      { commitment: signStatement("merge", { ...value, descriptor: "0".repeat(64) }, key) },
      { commitment: signStatement("receipt", value, key) },
      { commitment: { ...commitment, signature: Buffer.alloc(64) } },
    ]) {
      await expect(hostile.release(fanOut, { merged, ...bent })).rejects.toEqual(
        refused("receipt-invalid"),
      );
    }
  });

  test("an altered merge whose parts are then withheld, or are not the signed ones", async () => {
    const { hostile } = scene;
    const fanOut = await hostile.fanOut([await request(scene)]);
    const merged = altered(scene, fanOut);
    const withheld = () => {
      throw new Error("the gateway hangs up");
    };
    await expect(hostile.release(fanOut, { merged }, withheld)).rejects.toThrow();
    using encryptor = hostile.scheme.encryptor(hostile.epoch.publicKey);
    const made = encryptor.encrypt(Uint32Array.of(0, 1));
    for (const parts of [
      [...ciphertexts(fanOut.replies), made],
      [...ciphertexts(fanOut.replies.slice(1)), made],
      ciphertexts(fanOut.replies.slice(1)),
      ciphertexts(fanOut.replies.toReversed()),
    ]) {
      await expect(hostile.release(fanOut, { merged }, () => parts)).rejects.toEqual(
        refused("receipt-invalid"),
      );
    }
    const digest = fanOut.digested.digest.toString("hex");
    const audits = (await scene.leaves("merge-audit")).filter(
      (leaf) => leaf.descriptor_sha256 === digest,
    );
    expect(audits).toHaveLength(5);
    for (const audit of audits) expect(audit.result).toBe("withheld");
    expect(answerOf((await hostile.release(fanOut))[0])).toHaveProperty("answer");
  });

  test("questions that were not asked: swapped, dropped, doubled or of another fan-out", async () => {
    const { hostile } = scene;
    const [a, b] = [await request(scene, 1), await request(scene, 2)];
    const fanOut = await hostile.fanOut([a, b]);
    const items = (credentials: ItemCredentials[]) =>
      credentials.map((each) => ({ credentials: each, sealed: false }));
    expect(await hostile.release(fanOut, { items: items([b, a]) })).toEqual([
      refusal("descriptor-invalid"),
      refusal("descriptor-invalid"),
    ]);
    for (const some of [items([a]), items([a, b, b])]) {
      await expect(hostile.release(fanOut, { items: some })).rejects.toEqual(
        refused("descriptor-invalid"),
      );
    }
    const stranger = await request(scene, 3);
    const [first, second] = await hostile.release(fanOut, { items: items([a, stranger]) });
    expect(first?.result).toBe("answer");
    expect(second).toEqual(refusal("descriptor-invalid"));
  });

  test("an epoch, a roster or a province that there is not", async () => {
    const { hostile } = scene;
    const question = await request(scene);
    const fanOut = await hostile.fanOut([question]);
    for (const [descriptor, code] of [
      [{ epoch: 99 }, "epoch-unknown"],
      [{ roster_digest: "0".repeat(64) }, "epoch-unknown"],
    ] as const) {
      const digested = hostile.describe([question], hostile.everyone, { descriptor });
      await expect(hostile.release({ ...fanOut, digested })).rejects.toEqual(refused(code));
    }
    const digested = hostile.describe([question], ["11", "12", "65"] as never);
    await expect(hostile.release({ ...fanOut, digested })).rejects.toEqual(
      refused("receipt-invalid"),
    );
  });

  test("an answer in the clear for an institution that takes only sealed ones", async () => {
    const { federation, hostile } = scene;
    const closed = await Bank.register(federation, { sealedOnly: true });
    const consent = await closed.consent({ subject: scene.msisdn(1), maxUses: 1 });
    const question = await closed.sign(consent, SCORE);
    const fanOut = await hostile.fanOut([question]);
    expect(await hostile.release(fanOut)).toEqual([refusal("client-sealed-only")]);
    const items = [{ credentials: question, sealed: true }];
    expect(await hostile.release(fanOut, { items })).toMatchObject([{ result: "sealed" }]);
  });

  test("after all of this an honest institution is answered by the honest gateway", async () => {
    const consent = await scene.bank.consent({ subject: scene.msisdn(1) });
    expect(await scene.bank.ask(consent, SCORE.product)).toMatchObject({ status: 200 });
  });
});

// Last with this scene: it ends with a gateway that is suspended.
describe("fraud: an altered merge, signed for", () => {
  let fanOut: HostileFanOut;
  let epochBefore: number;
  let releasedBefore: number;
  beforeAll(async () => {
    epochBefore = scene.hostile.epoch.number;
    fanOut = await scene.hostile.fanOut([await request(scene)]);
    releasedBefore = (await scene.leaves("release")).length;
  });

  test("is found by adding the parts again: refused, logged, nothing released", async () => {
    const merged = altered(scene, fanOut);
    await expect(scene.hostile.release(fanOut, { merged })).rejects.toEqual(
      refused("merge-mismatch"),
    );
    expect((await scene.leaves("merge-audit")).at(-1)).toMatchObject({ result: "mismatched" });
    expect(await scene.leaves("release")).toHaveLength(releasedBefore);
  });

  test("its commitment is kept, and proves the fraud to anybody", async () => {
    const { db } = scene.federation.authority.service.options as unknown as {
      db: { selectFrom(table: string): { selectAll(): { execute(): Promise<unknown[]> } } };
    };
    const [row] = (await db.selectFrom("gateway_suspension").selectAll().execute()) as {
      commitment: Uint8Array;
      signature: Uint8Array;
    }[];
    const signed = {
      statement: Buffer.from(row?.commitment ?? []),
      signature: Buffer.from(row?.signature ?? []),
    };
    const key = scene.hostile.epoch.gatewayKey;
    const statement = openStatement("merge", signed, key, MergeCommitment, "receipt-invalid");
    expect(statement.descriptor).toBe(fanOut.digested.digest.toString("hex"));
  });

  test("the epoch is retired with its secret key, and its fan-outs are worth nothing", async () => {
    expect(scene.hostile.epoch.number).toBe(epochBefore + 1);
    const numbers = scene.federation.authority.epochs.all().map(({ number }) => number);
    expect(numbers).not.toContain(epochBefore);
    await expect(scene.hostile.release(fanOut)).rejects.toEqual(refused("epoch-unknown"));
    expect(await scene.leaves("epoch")).toContainEqual(
      expect.objectContaining({ event: "retired", epoch: epochBefore }),
    );
  });

  test("the gateway is suspended: nothing is admitted or released to it any more, honest or not", async () => {
    const again = await untilNodesFollow(scene);
    await expect(scene.hostile.release(again)).rejects.toEqual(refused("gateway-suspended"));
    const asking = scene.hostile.admit(again.digested, again.credentials);
    await expect(asking).rejects.toEqual(refused("gateway-suspended"));
    const consent = await scene.bank.consent({ subject: scene.msisdn(1) });
    let reply = await scene.bank.ask(consent, SCORE.product);
    while (reply.code === "epoch-unknown") reply = await scene.bank.ask(consent, SCORE.product);
    expect(reply).toMatchObject({ status: 503, code: "gateway-suspended", retryable: false });
  });

  test("the operator reinstates it: both are leaves, the proof is kept, and it is asked again", async () => {
    await using operator = await ConsentOperator.open(scene.federation.settings);
    const [suspension, ...others] = await operator.suspensions();
    expect(others).toEqual([]);
    const gateway = suspension?.gateway as string;
    await operator.reinstate(gateway);
    const about = { gateway, descriptor_sha256: fanOut.digested.digest.toString("hex") };
    expect(await scene.leaves("gateway")).toMatchObject([
      { event: "suspended", ...about },
      { event: "reinstated", ...about },
    ]);
    const kept = await operator.db.selectFrom("gateway_suspension_lifted").selectAll().execute();
    expect(kept).toMatchObject([{ gateway, commitment: suspension?.commitment }]);
    const consent = await scene.bank.consent({ subject: scene.msisdn(1) });
    expect(await scene.bank.ask(consent, SCORE.product)).toMatchObject({ status: 200 });
    await expect(operator.reinstate(gateway)).rejects.toEqual(refused("gateway-unknown"));
  });

  test("a second fraud suspends it again", async () => {
    const again = await scene.hostile.fanOut([await request(scene)]);
    const merged = altered(scene, again);
    await expect(scene.hostile.release(again, { merged })).rejects.toEqual(
      refused("merge-mismatch"),
    );
    await expect(scene.hostile.release(await untilNodesFollow(scene))).rejects.toEqual(
      refused("gateway-suspended"),
    );
    expect((await scene.leaves("gateway")).map(({ event }) => event)).toEqual([
      "suspended",
      "reinstated",
      "suspended",
    ]);
  });
});

/** A fan-out under the epoch that has just been opened; until a node has heard of it, it refuses. */
async function untilNodesFollow(scene: Scene): Promise<HostileFanOut> {
  for (;;) {
    try {
      return await scene.hostile.fanOut([await request(scene)]);
    } catch (error) {
      expect(error).toEqual(refused("epoch-unknown"));
    }
  }
}

describe("without an audit (p = 0): what the authority sees by itself", () => {
  let unaudited: Scene;
  beforeAll(async () => {
    unaudited = await openScene({ environment: { WJF_MERGE_AUDIT_PROBABILITY: "0" } });
  });
  afterAll(() => unaudited[Symbol.asyncDispose]());

  test("any one node left out, or one counted twice: the masks do not cancel", async () => {
    const { hostile } = unaudited;
    const fanOut = await hostile.fanOut([await request(unaudited)]);
    const all = ciphertexts(fanOut.replies);
    for (const [i, each] of all.entries()) {
      for (const parts of [all.toSpliced(i, 1), [...all, each]]) {
        const merged = hostile.merge(parts);
        await expect(hostile.release(fanOut, { merged })).rejects.toEqual(
          refused("masks-uncancelled"),
        );
      }
    }
    expect(await unaudited.leaves("release")).toEqual([]);
    expect(answerOf((await hostile.release(fanOut))[0])).toHaveProperty("answer");
  });

  test("one node's ciphertext passed off as the sum: it is noise, whichever node's", async () => {
    const { hostile } = unaudited;
    const fanOut = await hostile.fanOut([await request(unaudited)]);
    for (const merged of ciphertexts(fanOut.replies)) {
      await expect(hostile.release(fanOut, { merged })).rejects.toEqual(
        refused("masks-uncancelled"),
      );
    }
  });

  test("a count that was made to fit does not help: the other slots are noise out of all bounds", async () => {
    const { hostile } = unaudited;
    const fanOut = await hostile.fanOut([await request(unaudited)]);
    const two = ciphertexts(fanOut.replies.slice(0, 2));
    using encryptor = hostile.scheme.encryptor(hostile.epoch.publicKey);
    // Without the secret key slot 0 can only be guessed.
    for (let guess = 0; guess < 20; guess++) {
      const merged = hostile.merge([...two, encryptor.encrypt(Uint32Array.of(guess))]);
      await expect(hostile.release(fanOut, { merged })).rejects.toEqual(
        refused("masks-uncancelled"),
      );
    }
  });

  test("bytes that are no ciphertext of the scheme never reach decryption", async () => {
    const { hostile } = unaudited;
    const fanOut = await hostile.fanOut([await request(unaudited)]);
    const good = hostile.merge(ciphertexts(fanOut.replies));
    const transparent = Buffer.from(good).fill(0, good.length - 8 * hostile.scheme.slotCount);
    for (const merged of [
      Buffer.alloc(0),
      good.subarray(1),
      Buffer.alloc(good.length),
      transparent,
    ]) {
      await expect(hostile.release(fanOut, { merged })).rejects.toEqual(
        refused("ciphertext-invalid"),
      );
    }
  });

  test("what an honest sum could not be is out of range; less than that only an audit finds", async () => {
    const { hostile } = unaudited;
    const fanOut = await hostile.fanOut([await request(unaudited)]);
    using encryptor = hostile.scheme.encryptor(hostile.epoch.publicKey);
    const huge = encryptor.encrypt(Uint32Array.of(0, 0, 1_000_000));
    const merged = hostile.merge([...ciphertexts(fanOut.replies), huge]);
    expect(await hostile.release(fanOut, { merged })).toEqual([refusal("sum-out-of-range")]);
    expect(await hostile.release(fanOut, { merged: altered(unaudited, fanOut) })).toEqual([
      refusal("claims-invalid"),
    ]);
  });
});
