// The public face of batch/: what the authority does with an institution's batches.
import { BatchAdmitter, type BatchAdmitterParts } from "./batch-admitter.ts";
import { BatchReleaser, type BatchReleaserParts } from "./batch-releaser.ts";

export class BatchAuthority {
  readonly admitter: BatchAdmitter;
  readonly releaser: BatchReleaser;

  constructor(parts: BatchAdmitterParts & BatchReleaserParts) {
    this.admitter = new BatchAdmitter(parts);
    this.releaser = new BatchReleaser(parts);
  }
}
