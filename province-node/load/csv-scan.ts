// Counts what a CSV file holds, independently of the reader, so that no record can go missing unnoticed: a reader that
// is told the wrong line end returns nothing and says nothing. One pass over the bytes; it interprets no field.
import { createReadStream, createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

const LF = 10;
const CR = 13;
const QUOTE = 34;
const CHUNK_BYTES = 1 << 20;

export interface CsvScan {
  /** Records, without the header and blank lines; an unclosed quote's record runs to the end. */
  readonly records: number;
  /** Some lines end in CR LF and some in LF. */
  readonly mixedLineEnds: boolean;
  /** There are CR bytes that end no line: the strict reader would give the whole file up for one of them. */
  readonly loneCr: boolean;
  /** Lines that the last record swallows because its quote is never closed. */
  readonly swallowedLines: number;
}

/** Carries the state of a scan from chunk to chunk. */
class Scanner {
  #lineBytes = 0;
  #lastByte = 0;
  #open = false;
  #linesInRecord = 0;
  #records = 0;
  #lines = 0;
  #crlf = 0;
  #cr = 0;

  chunk(bytes: Buffer): void {
    for (let cr = bytes.indexOf(CR); cr !== -1; cr = bytes.indexOf(CR, cr + 1)) this.#cr++;
    let quote = bytes.indexOf(QUOTE);
    for (let at = 0; at < bytes.length;) {
      const found = bytes.indexOf(LF, at);
      const end = found === -1 ? bytes.length : found;
      while (quote !== -1 && quote < end) {
        this.#open = !this.#open;
        quote = bytes.indexOf(QUOTE, quote + 1);
      }
      if (end > at) {
        this.#lineBytes += end - at;
        this.#lastByte = bytes[end - 1] ?? 0;
      }
      if (found !== -1) this.#endLine();
      at = end + 1;
    }
  }

  #endLine(): void {
    const crlf = this.#lineBytes > 0 && this.#lastByte === CR;
    this.#lines++;
    if (crlf) this.#crlf++;
    const blank = this.#lineBytes === 0 || (crlf && this.#lineBytes === 1);
    this.#linesInRecord++;
    if (!this.#open) {
      if (!blank || this.#linesInRecord > 1) this.#records++;
      this.#linesInRecord = 0;
    }
    this.#lineBytes = 0;
  }

  end(): CsvScan {
    if (this.#lineBytes > 0) this.#linesInRecord++;
    const unfinished = this.#linesInRecord > 0 ? 1 : 0;
    return {
      records: Math.max(0, this.#records + unfinished - 1),
      mixedLineEnds: this.#crlf > 0 && this.#crlf < this.#lines,
      loneCr: this.#cr > this.#crlf,
      swallowedLines: this.#open ? this.#linesInRecord - 1 : 0,
    };
  }
}

export async function scanCsv(path: string): Promise<CsvScan> {
  const scanner = new Scanner();
  const bytes = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  for await (const chunk of bytes) scanner.chunk(chunk as Buffer);
  return scanner.end();
}

// U+FFFD in UTF-8, as characters of latin1; no column lets it through.
const UNREADABLE = "\u00ef\u00bf\u00bd";

function withLf(text: string): string {
  const uniform = text.replaceAll("\r\n", "\n");
  return uniform.includes("\r") ? uniform.replaceAll("\r", UNREADABLE) : uniform;
}

/** A copy in which every line ends in LF alone and other CRs are unreadable characters; lines keep their numbers. */
export async function copyWithLf(path: string, to: string): Promise<void> {
  let heldCr = false;
  const convert = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // latin1 maps bytes to characters one to one, whatever the encoding is.
      const text = (heldCr ? "\r" : "") + chunk.toString("latin1");
      heldCr = text.endsWith("\r");
      const whole = heldCr ? text.slice(0, -1) : text;
      done(null, Buffer.from(withLf(whole), "latin1"));
    },
    flush(done) {
      done(null, heldCr ? Buffer.from(UNREADABLE, "latin1") : null);
    },
  });
  await pipeline(
    createReadStream(path, { highWaterMark: CHUNK_BYTES }),
    convert,
    createWriteStream(to, { mode: 0o600 }),
  );
}
