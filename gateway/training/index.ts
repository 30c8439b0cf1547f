// The public face of training/: the routes, and the jobs behind them.
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import { TrainingJobs, type TrainingParts } from "./training-jobs.ts";
import { trainingRoutes } from "./training-routes.ts";

export interface TrainingOptions extends TrainingParts {
  readonly clock: Clock;
}

/** Training jobs of one gateway process. */
export class Training implements AsyncDisposable {
  readonly #options: TrainingOptions;
  readonly #jobs: TrainingJobs;

  constructor(options: TrainingOptions) {
    this.#options = options;
    this.#jobs = new TrainingJobs(options);
  }

  async register(app: FastifyInstance): Promise<void> {
    const { view, clock } = this.#options;
    await trainingRoutes(app, { jobs: this.#jobs, view, clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs[Symbol.asyncDispose]();
  }
}
