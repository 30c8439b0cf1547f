// Streams of a training question, when one end goes: a failure is a call that is left waiting for somebody who will never send, or who
// will never take what is sent.
import { once } from "node:events";
import {
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WjfError } from "../../core/errors.ts";
import { silentLogger } from "../../core/log.ts";
import { mergeRound } from "../../gateway/training/merge-round.ts";
import {
  AuthorityStub,
  AuthorityTraining,
  NodeTraining,
  ProvinceNodeStub,
  streamMethod,
} from "../../proto/index.ts";

type Question = ServerDuplexStream<{ part?: Buffer }, unknown>;
type Round = ServerWritableStream<unknown, { part: Buffer }>;

const MINUTES = 600_000;
const round = {
  order: { statement: Buffer.from("{}"), signature: Buffer.alloc(64) },
  request: "",
  parts: 2,
};
const ask = { job_id: "3f0c6a52-6c1e-4c57-9d38-1f1d5f4d7a10", proof: "", body: Buffer.alloc(0) };
const server = new Server();
let answer: (stream: Round) => Promise<void>;
let question: (stream: Question) => Promise<void>;
let node: NodeTraining;
let authority: AuthorityTraining;
const stubs: { close(): void }[] = [];

beforeAll(async () => {
  server.addService(ProvinceNodeStub.service, {
    TrainingRound: streamMethod(async (stream: Round) => await answer(stream), silentLogger),
  });
  server.addService(AuthorityStub.service, {
    Train: streamMethod(async (stream: Question) => await question(stream), silentLogger),
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, port) => resolve(port));
  const address = `127.0.0.1:${await promise}`;
  const province = new ProvinceNodeStub(address, credentials.createInsecure());
  const central = new AuthorityStub(address, credentials.createInsecure());
  stubs.push(province, central);
  node = new NodeTraining(province, {});
  authority = new AuthorityTraining(central);
});
afterAll(() => {
  for (const stub of stubs) stub.close();
  server.forceShutdown();
});

const FAILED = { code: "training-ended" };
const failed = new WjfError("training-ended");

/** A round over provinces of which the first fails once the other computes. */
function merge(signal: AbortSignal, codes = ["11", "12"]): AsyncGenerator<Uint8Array> {
  const parts = {
    view: { current: () => ({}) },
    provinces: { reach: () => ({ training: node }) },
    scheme: { add: ([part]: Uint8Array[]) => part },
    admission: { job: { id: ask.job_id, provinces: codes } },
    log: silentLogger,
    timeoutMs: MINUTES,
  };
  return mergeRound(round, parts as never, signal);
}

test("a province that fails ends the round for one that still computes", async () => {
  const computing = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  let asked = 0;
  answer = async (stream) => {
    if (asked++ === 0) {
      stream.once("cancelled", stopped.resolve);
      computing.resolve();
      return await stopped.promise;
    }
    await computing.promise;
    throw failed;
  };
  await expect(merge(new AbortController().signal).next()).rejects.toMatchObject(FAILED);
  await stopped.promise;
});

test("an authority that goes ends the round that it ordered", async () => {
  const computing = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  answer = async (stream) => {
    stream.once("cancelled", stopped.resolve);
    computing.resolve();
    await stopped.promise;
  };
  question = async (stream) => {
    stream.write({ round });
    await computing.promise;
    throw failed;
  };
  const told = authority.train(ask, (_, signal) => merge(signal), MINUTES);
  await expect(told).rejects.toMatchObject(FAILED);
  await stopped.promise;
});

test("an authority that goes takes no more parts, and nobody waits until it does", async () => {
  const gone = Promise.withResolvers<void>();
  question = async (stream) => {
    await once(stream, "data");
    stream.pause();
    stream.write({ round });
    await gone.promise;
    throw failed;
  };
  async function* parts() {
    for (;;) {
      yield Buffer.alloc(400_000);
      // By now more is written than is taken.
      gone.resolve();
    }
  }
  await expect(authority.train(ask, parts, MINUTES)).rejects.toMatchObject(FAILED);
});

test("an authority that ends without an answer, in the middle of a round", async () => {
  const stopped = Promise.withResolvers<void>();
  question = async (stream) => {
    stream.write({ round });
    stream.end();
  };
  async function* parts(_: unknown, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (!signal.aborted) await once(signal, "abort");
    stopped.resolve();
    yield Buffer.alloc(400_000);
  }
  const told = authority.train(ask, parts, MINUTES);
  await expect(told).rejects.toMatchObject({ code: "federation-unavailable" });
  await stopped.promise;
});
