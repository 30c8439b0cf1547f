// A person who is nobody, planted in one province's raw tables, and every way in which something about them could be
// written down: what must never turn up outside that province and their bank.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { cnIdCheckCharacter } from "../../crypto/index.ts";

const FIRST_17 = "11010519870314731";

export const CANARY = {
  msisdn: "+8617612349871",
  cnId: FIRST_17 + cnIdCheckCharacter(FIRST_17),
  name: "欧阳金丝雀",
  /** In no column of its own: operators put such things into free text. */
  address: "建国路捌拾捌号院金丝雀公寓",
  domain: "canary-7f3ac1.example",
  keyword: "金丝雀培育手册",
  /** Claimed, and nowhere in the data. */
  otherName: "司徒云雀",
} as const;

/** Adds the canary's rows to the tables of one province. */
export function plantCanary(rawFolder: string): void {
  const rows: Record<string, string> = {
    subscriber: [
      CANARY.msisdn,
      CANARY.cnId,
      CANARY.name,
      "1987-03-14,male,true,2019-05-01,active,",
      CANARY.address,
      "59,110100,none,false",
    ].join(","),
    web_day: `${CANARY.msisdn},2026-10-20,${CANARY.domain},news,7`,
    search_day: `${CANARY.msisdn},2026-10-20,${CANARY.keyword},3`,
  };
  for (const [table, row] of Object.entries(rows)) {
    appendFileSync(join(rawFolder, `${table}.csv`), `${row}\n`);
  }
}

/** The canary's texts as they are, and as a system might have come to write them. */
export const CANARY_TEXTS: readonly string[] = [
  ...Object.values(CANARY),
  CANARY.msisdn.slice(3),
  ...[CANARY.name, CANARY.address, CANARY.keyword, CANARY.otherName].map(escaped),
  ...[CANARY.name, CANARY.address, CANARY.keyword, CANARY.otherName].map(encodeURIComponent),
];

/** Byte strings of all of them: UTF-8, UTF-16, and base64 at each of its three alignments. */
export const CANARY_BYTES: readonly Buffer[] = CANARY_TEXTS.flatMap((text) => [
  Buffer.from(text, "utf8"),
  Buffer.from(text, "utf16le"),
  ...base64Forms(Buffer.from(text, "utf8")),
]);

/** As a program's memory would have them, for searches that must be short. */
export const CANARY_IN_MEMORY: readonly Buffer[] = [
  ...Object.values(CANARY),
  CANARY.msisdn.slice(3),
].flatMap((text) => [Buffer.from(text, "utf8"), Buffer.from(text, "utf16le")]);

/** Those of the texts that are in there. */
export function canariesIn(haystack: string | Uint8Array): string[] {
  const bytes = Buffer.from(haystack as string);
  return CANARY_BYTES.filter((needle) => bytes.includes(needle)).map((needle) => needle.toString());
}

function escaped(text: string): string {
  const units = Buffer.from(text, "utf16le");
  return Array.from({ length: text.length }, (_, i) => {
    return `\\u${units
      .readUInt16LE(2 * i)
      .toString(16)
      .padStart(4, "0")}`;
  }).join("");
}

/** The part of the encoding that does not depend on what stands before and after. */
function base64Forms(bytes: Buffer): Buffer[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64url");
    return Buffer.from(text.slice(shift === 0 ? 0 : shift + 1, -3));
  });
}
