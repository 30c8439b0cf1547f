// The public face of batch/: what the authority does with an institution's batches and watches.
import { BatchAdmitter, type BatchAdmitterParts } from "./batch-admitter.ts";
import { BatchReleaser, type BatchReleaserParts } from "./batch-releaser.ts";
import { WatchAdmitter } from "./watch-admitter.ts";

export class BatchAuthority {
  readonly admitter: BatchAdmitter;
  readonly watches: WatchAdmitter;
  readonly releaser: BatchReleaser;

  constructor(parts: BatchAdmitterParts & BatchReleaserParts) {
    this.admitter = new BatchAdmitter(parts);
    this.watches = new WatchAdmitter(parts);
    this.releaser = new BatchReleaser(parts);
  }
}
