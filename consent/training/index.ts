// The public face of training/: what the authority does with institutions' training jobs.
import { TrainingScheme } from "../../crypto/index.ts";
import { TrainingAdmitter, type TrainingParts } from "./training-admitter.ts";
import { TrainingSteps } from "./training-steps.ts";

export class TrainingAuthority implements AsyncDisposable {
  readonly admitter: TrainingAdmitter;
  readonly steps: TrainingSteps;
  #scheme: Promise<TrainingScheme> | undefined;

  constructor(parts: Omit<TrainingParts, "scheme">) {
    // Made when the first job comes: most authorities never have one.
    const scheme = async () => await (this.#scheme ??= TrainingScheme.create());
    this.admitter = new TrainingAdmitter({ ...parts, scheme });
    this.steps = new TrainingSteps({ ...parts, scheme });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#scheme)?.[Symbol.dispose]();
  }
}
