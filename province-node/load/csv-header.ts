// A CSV file's header: what its columns are called. Its text is never repeated in a message: the first line of a file
// without a header is a row about a person.
import { closeSync, openSync, readSync } from "node:fs";
import { WjfError } from "../../core/errors.ts";

const HEADER_BYTES = 65_536;

/**
 * Names are compared trimmed and in lower case. The file is UTF-8 (transcoded before, if it was not).
 * @throws WjfError `data-invalid` when there is no usable header.
 */
export function readCsvHeader(path: string, label: string, delimiter: string): readonly string[] {
  const buffer = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  let length: number;
  try {
    length = readSync(file, buffer);
  } finally {
    closeSync(file);
  }
  const head = buffer.subarray(0, length);
  const fault = (rule: string): never => {
    throw new WjfError("data-invalid", `${label}: line 1: ${rule}`);
  };
  const end = head.indexOf(10);
  const first = head.subarray(0, end === -1 ? length : end);
  if (first.includes(0)) fault("NUL bytes in the header (is it UTF-16?)");
  const line = first.toString("utf8").replace(/^\uFEFF/, "");
  if (line.trim() === "") fault("there is no header");
  const names = line
    .replace(/\r$/, "")
    .split(delimiter)
    .map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, "$1")
        .toLowerCase(),
    );
  if (new Set(names).size !== names.length) fault("two columns have the same name");
  return names;
}
