// The one folder that a load may fill with intermediate files, beside the store; gone when the load is over.
import { mkdirSync, rmSync } from "node:fs";

export class SpillFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
