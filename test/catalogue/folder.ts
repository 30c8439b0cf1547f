// A copy of the bundled declarations in a folder that goes away, to be spoiled one field at a time.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DATA = join(import.meta.dirname, "../../catalogue/data");

export class CatalogueFolder {
  readonly path = mkdtempSync(join(tmpdir(), "wjf-catalogue-"));

  constructor() {
    cpSync(DATA, this.path, { recursive: true });
  }

  /** Rewrites one file by a change to its parsed JSON. */
  edit(file: string, change: (json: never) => unknown): void {
    const path = join(this.path, file);
    const json = JSON.parse(readFileSync(path, "utf8")) as never;
    const result = change(json);
    writeFileSync(path, JSON.stringify(result ?? json));
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text);
  }

  remove(file: string): void {
    rmSync(join(this.path, file));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
