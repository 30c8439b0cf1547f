// The training methods of the node's gRPC service. Parse, dispatch; decide nothing.
import { once } from "node:events";
import type {
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Logger } from "../../core/log.ts";
import { parseWith } from "../../core/parse.ts";
import {
  OfferTrainingRequest,
  PutTrainingLabelsRequest,
  streamMethod,
  TrainingRoundRequest,
  unaryMethod,
} from "../../proto/index.ts";
import type { TrainingJobs } from "./training-jobs.ts";

type Caller = Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">;

/** @param requireService throws unless the caller may, and may now. */
export function trainingMethods(
  jobs: TrainingJobs,
  requireService: (call: Caller) => void,
  log: Logger,
): UntypedServiceImplementation {
  const offer = async (call: ServerUnaryCall<unknown, unknown>) => {
    requireService(call);
    return jobs.offer(
      parseWith(OfferTrainingRequest, call.request, "request-malformed", "message"),
    );
  };
  const receive = async (call: ServerUnaryCall<unknown, unknown>) => {
    requireService(call);
    const request = parseWith(
      PutTrainingLabelsRequest,
      call.request,
      "request-malformed",
      "labels",
    );
    return await jobs.receive(request);
  };
  const answer = async (stream: ServerWritableStream<unknown, unknown>) => {
    requireService(stream);
    const request = parseWith(TrainingRoundRequest, stream.request, "request-malformed", "message");
    const parts = await jobs.answer(request);
    // A stream whose caller has hung up never drains.
    const hungUp = Promise.withResolvers<void>();
    stream.once("cancelled", hungUp.resolve);
    for (const part of parts) {
      if (stream.cancelled) return;
      if (!stream.write({ part })) await Promise.race([once(stream, "drain"), hungUp.promise]);
    }
    stream.end();
  };
  return {
    OfferTraining: unaryMethod(offer, log),
    PutTrainingLabels: unaryMethod(receive, log),
    TrainingRound: streamMethod(answer, log),
  };
}
