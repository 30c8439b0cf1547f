// Which physical line a CSV record begins on. DuckDB numbers lines only for lines that it cannot read; for a row that
// breaks a rule the record's place is known, and this turns it into the line that an editor shows. Only files that
// have such rows are read again. It does not interpret fields: an open quote at a line's end carries the record on.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** `records` count from 0 and leave out `unreadable` lines, blank lines and the header. */
export async function linesOfRecords(
  path: string,
  records: readonly number[],
  unreadable: ReadonlyMap<number, unknown>,
): Promise<Map<number, number>> {
  const wanted = new Set(records);
  const found = new Map<number, number>();
  // latin1: quotes and line ends are single bytes in UTF-8 and in the encodings that get rejected.
  const lines = createInterface({ input: createReadStream(path, "latin1"), crlfDelay: Infinity });
  let line = 0;
  let record = -1;
  let open = false;
  for await (const text of lines) {
    line++;
    if (line === 1 || unreadable.has(line)) continue;
    if (!open && text !== "") {
      record++;
      if (wanted.has(record)) found.set(record, line);
      if (found.size === wanted.size) break;
    }
    if (text.includes('"')) open = open !== (text.split('"').length % 2 === 0);
  }
  lines.close();
  return found;
}
