// The training methods of the authority's gRPC service, for the gateway alone. Parse, dispatch; decide nothing.
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { parseWith } from "../../core/parse.ts";
import {
  AdmitTrainingRequest,
  EndTrainingRequest,
  FindTrainingRequest,
  requirePeer,
  roleName,
  streamMethod,
  TrainRequest,
  type TrainRound,
  unaryMethod,
} from "../../proto/index.ts";
import type { TrainingAuthority } from "./index.ts";

/** How long the gateway may take for the next part of a round: the provinces compute meanwhile. */
const PART_WITHIN_MS = 600_000;

type Call = ServerUnaryCall<unknown, unknown>;

export function trainingMethods(
  { admitter, steps }: TrainingAuthority,
  log: Logger,
): UntypedServiceImplementation {
  const requireGateway = (call: Pick<Call, "getAuthContext">): void => {
    requirePeer(call, (name) => name === roleName("gateway"));
  };
  const admit = async (call: Call) => {
    requireGateway(call);
    const request = parseWith(AdmitTrainingRequest, call.request, "request-malformed", "message");
    return await admitter.admit(request);
  };
  const find = async (call: Call) => {
    requireGateway(call);
    const request = parseWith(FindTrainingRequest, call.request, "request-malformed", "message");
    return await admitter.find(request.job_id);
  };
  const end = async (call: Call) => {
    requireGateway(call);
    await steps.end(parseWith(EndTrainingRequest, call.request, "request-malformed", "message"));
    return {};
  };
  const train = async (stream: ServerDuplexStream<unknown, unknown>) => {
    requireGateway(stream);
    const next = received(stream);
    const first = await next();
    if (first.step !== "ask") throw new WjfError("request-malformed", "first comes the question");
    const told = await steps.answer(first.ask, async (round: TrainRound) => {
      stream.write({ round });
      const parts: Buffer[] = [];
      while (parts.length < round.parts) {
        const message = await next();
        if (message.step !== "part") throw new WjfError("request-malformed", "parts of the round");
        parts.push(message.part);
      }
      return parts;
    });
    stream.write({ told });
    stream.end();
  };
  return {
    AdmitTraining: unaryMethod(admit, log),
    FindTraining: unaryMethod(find, log),
    EndTraining: unaryMethod(end, log),
    Train: streamMethod(train, log),
  };
}

function received(stream: ServerDuplexStream<unknown, unknown>) {
  const messages = stream[Symbol.asyncIterator]() as AsyncIterator<unknown>;
  // A cancelled stream does not end its iterator: a gateway that hangs up has to be noticed.
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => undefined);
  stream.once("cancelled", () => gone.reject(new WjfError("federation-unavailable", "hung up")));
  return async () => {
    const late = setTimeout(() => gone.reject(new WjfError("deadline-exceeded")), PART_WITHIN_MS);
    try {
      const { value, done } = await Promise.race([messages.next(), gone.promise]);
      if (done === true) throw new WjfError("federation-unavailable", "the stream ended early");
      return parseWith(TrainRequest, value, "request-malformed", "message");
    } finally {
      clearTimeout(late);
    }
  };
}
