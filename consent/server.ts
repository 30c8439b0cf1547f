// The authority's gRPC service over mutual TLS: Follow for gateway and nodes, Release for the gateway alone. Parses,
// dispatches, translates errors; decides nothing.
import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { z } from "zod";
import type { Logger } from "../core/log.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import {
  AdmitBatchRequest,
  AdmitRequest,
  AdmitWatchesRequest,
  AuthorityStub,
  bindServer,
  type BoundServer,
  ReleaseBatchRequest,
  ReleaseRequest,
  requirePeer,
  roleName,
  serverCredentials,
  serverLimits,
  type TlsSource,
  streamMethod,
  unaryMethod,
} from "../proto/index.ts";
import type { Admitter } from "./admitter.ts";
import type { BatchAuthority } from "./batch/index.ts";
import type { FollowHub } from "./follow-hub.ts";
import type { Reveal } from "./release/merge-opener.ts";
import type { Releaser } from "./release/releaser.ts";
import type { TrainingAuthority } from "./training/index.ts";
import { trainingMethods } from "./training/training-methods.ts";

/** How long the gateway may take for its next message. */
const STEP_WITHIN_MS = 30_000;

const PROVINCE = /^p[1-6][0-9]\.weijifen\.internal$/;

export interface AuthorityParts {
  readonly admitter: Admitter;
  readonly releaser: Releaser;
  readonly batches: BatchAuthority;
  readonly training: TrainingAuthority;
  readonly hub: FollowHub;
  readonly log: Logger;
}

/** @throws WjfError `port-in-use`. */
export async function serveAuthority(
  parts: AuthorityParts,
  identity: TlsSource,
  address: string,
): Promise<BoundServer> {
  const server = new Server(serverLimits);
  const implementation: UntypedServiceImplementation = {
    Follow: streamMethod(
      (stream: ServerWritableStream<unknown, unknown>) => follow(stream, parts.hub),
      parts.log,
    ),
    Admit: unaryMethod((call) => admit(call, parts.admitter), parts.log),
    Release: streamMethod(
      (stream: ServerDuplexStream<unknown, unknown>) => release(stream, parts.releaser),
      parts.log,
    ),
    AdmitBatch: unaryMethod((call) => admitBatch(call, parts.batches), parts.log),
    AdmitWatches: unaryMethod((call) => admitWatches(call, parts.batches), parts.log),
    ReleaseBatch: streamMethod(
      (stream: ServerDuplexStream<unknown, unknown>) => releaseBatch(stream, parts.batches),
      parts.log,
    ),
    ...trainingMethods(parts.training, parts.log),
  };
  server.addService(AuthorityStub.service, implementation);
  return await bindServer(server, address, serverCredentials(identity));
}

async function follow(
  stream: ServerWritableStream<unknown, unknown>,
  hub: FollowHub,
): Promise<void> {
  const gateway = roleName("gateway");
  const name = requirePeer(stream, (peer) => peer === gateway || PROVINCE.test(peer));
  await hub.follow(stream, name === gateway ? "gateway" : "node");
}

async function admit(call: ServerUnaryCall<unknown, unknown>, admitter: Admitter): Promise<object> {
  requirePeer(call, (name) => name === roleName("gateway"));
  const request = parseWith(AdmitRequest, call.request, "request-malformed", "message");
  return await admitter.admit(request);
}

async function admitBatch(
  call: ServerUnaryCall<unknown, unknown>,
  batches: BatchAuthority,
): Promise<object> {
  requirePeer(call, (name) => name === roleName("gateway"));
  const request = parseWith(AdmitBatchRequest, call.request, "request-malformed", "message");
  return await batches.admitter.admit(request);
}

async function admitWatches(
  call: ServerUnaryCall<unknown, unknown>,
  batches: BatchAuthority,
): Promise<object> {
  requirePeer(call, (name) => name === roleName("gateway"));
  const request = parseWith(AdmitWatchesRequest, call.request, "request-malformed", "message");
  return await batches.watches.admit(request);
}

async function release(
  stream: ServerDuplexStream<unknown, unknown>,
  releaser: Releaser,
): Promise<void> {
  const outcomes = await converse(stream, ReleaseRequest, (commit, reveal) =>
    releaser.release(commit, reveal),
  );
  stream.write({ outcomes: { outcomes } });
  stream.end();
}

async function releaseBatch(
  stream: ServerDuplexStream<unknown, unknown>,
  { releaser }: BatchAuthority,
): Promise<void> {
  const outcomes = await converse(stream, ReleaseBatchRequest, (commit, reveal) =>
    releaser.release(commit, reveal),
  );
  stream.write({ outcomes });
  stream.end();
}

type Step<Commit> =
  | { readonly step: "commit"; readonly commit: Commit }
  | { readonly step: "reveal"; readonly reveal: { readonly ciphertexts: readonly Uint8Array[] } };

/** commit → (challenge → reveal)? The gateway commits before it can know whether it has to reveal. */
async function converse<Commit, Outcomes>(
  stream: ServerDuplexStream<unknown, unknown>,
  schema: z.ZodType<Step<Commit>>,
  work: (commit: Commit, reveal: Reveal) => Promise<Outcomes>,
): Promise<Outcomes> {
  requirePeer(stream, (name) => name === roleName("gateway"));
  const messages = stream[Symbol.asyncIterator]() as AsyncIterator<unknown>;
  // A cancelled stream does not end its iterator: without this a gateway that hangs up would never be noticed.
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => undefined);
  stream.once("cancelled", () => gone.reject(new WjfError("request-malformed", "hung up")));
  const next = async (): Promise<Step<Commit>> => {
    const late = setTimeout(() => gone.reject(new WjfError("deadline-exceeded")), STEP_WITHIN_MS);
    try {
      const { value, done } = await Promise.race([messages.next(), gone.promise]);
      if (done === true) throw new WjfError("request-malformed", "the stream ended early");
      return parseWith(schema, value, "request-malformed", "message");
    } finally {
      clearTimeout(late);
    }
  };
  const first = await next();
  if (first.step !== "commit") throw new WjfError("request-malformed", "first comes the commit");
  return await work(first.commit, async () => {
    stream.write({ challenge: {} });
    const second = await next();
    if (second.step !== "reveal") throw new WjfError("request-malformed", "then the reveal");
    return second.reveal.ciphertexts;
  });
}
