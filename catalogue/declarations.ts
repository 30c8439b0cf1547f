// The declaration files of one folder: read, parsed, and remembered for the catalogue's digest. A fault names file,
// entry and field. Knows no schema of its own.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";

/** One entry of a declaration file, with its place for messages. */
export interface Entry<T> {
  readonly value: T;
  readonly where: string;
}

/** The files of one folder; remembers all it read, for the digest. */
export class Declarations {
  readonly #folder: string;
  readonly #read: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  one<S extends z.ZodType>(file: string, schema: S): z.output<S> {
    let text: string;
    try {
      text = readFileSync(join(this.#folder, file), "utf8");
    } catch (cause) {
      throw new WjfError("data-invalid", `${file}: cannot be read`, { cause });
    }
    this.#read.push(file, text);
    return parseJsonWith(schema, text, "data-invalid", file);
  }

  all<S extends z.ZodType>(file: string, schema: S): Entry<z.output<S>>[] {
    return this.one(file, z.array(schema)).map((value, i) => ({ value, where: `${file}: ${i}` }));
  }

  /** Every .json file of a sub-folder, by name. */
  files(folder: string): string[] {
    const names = readdirSync(join(this.#folder, folder)).filter((name) => name.endsWith(".json"));
    return names.sort().map((name) => `${folder}/${name}`);
  }

  digest(): string {
    return sha256Hex(JSON.stringify(this.#read));
  }
}
