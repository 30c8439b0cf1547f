// Inputs that are nearly right: valid ones, made at run time, with a few edits. Bytes are edited as a file or a wire would be
// spoilt; JSON is edited field by field, so that what is behind the first check is reached as well.
import * as fc from "fast-check";

/** Integers at which parsers change their minds. */
export const BOUNDARY_NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e21,
  1e308,
  -1e308,
  5e-324,
] as const;

const LENGTHS = [
  1, 2, 31, 63, 64, 127, 128, 255, 256, 1023, 1024, 4095, 4096, 16_384, 65_535, 65_536,
];

/** Deep enough for a recursive reader to run out of stack. */
const DEPTH = 20_000;

const TOKENS: readonly Buffer[] = [
  '"__proto__":{"x":1},',
  '"constructor":1,',
  String.raw`\ud800`,
  String.raw`\u0000`,
  "[".repeat(DEPTH),
  '{"a":'.repeat(2000),
  `${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}`,
  "null",
  "true",
  '""',
  "[]",
  "{}",
  "1e999",
  "-1",
  "9007199254740993",
  "00",
  "0x10",
  "NaN",
  "\r\n",
  "\n",
  "\n\n",
  "\r\n\r\n",
  "\0",
  "..",
  "../../../../etc/passwd",
  "%00",
  "%",
  "%ff",
  "%2f",
  "\ufeff",
  "\u2028",
  "\u{1f600}",
  "e\u0301",
  ".",
  "=",
  "+",
  "-",
  "— ",
  "${jndi:ldap://x}",
  "' OR 1=1 --",
  "<script>",
].map((text) => Buffer.from(text));

const INTERESTING_BYTES = [
  0, 1, 9, 10, 13, 32, 34, 37, 44, 46, 47, 48, 57, 92, 127, 128, 192, 237, 254, 255,
];

/** Where, what kind, and how: three integers that `applyEdit` interprets, so that a failure shrinks to small ones. */
type Edit = readonly [at: number, kind: number, how: number];

const UINT32 = 0xffffffff;
const edits = fc.array(fc.tuple(fc.nat(UINT32), fc.nat(UINT32), fc.nat(UINT32)), {
  minLength: 1,
  maxLength: 4,
});

type ByteEdit = (bytes: Buffer, at: number, how: number, corpus: readonly Buffer[]) => Buffer;

function pick<T>(values: readonly T[], how: number): T {
  return values[how % values.length] as T;
}

function replaced(bytes: Buffer, from: number, to: number, middle: Uint8Array): Buffer {
  return Buffer.concat([
    bytes.subarray(0, from),
    middle,
    bytes.subarray(Math.min(to, bytes.length)),
  ]);
}

function withByte(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  if (at < copy.length) copy[at] = change(copy[at] as number);
  return copy;
}

const BYTE_EDITS: readonly ByteEdit[] = [
  (bytes, at, how) => withByte(bytes, at, (byte) => byte ^ (1 << (how % 8))),
  (bytes, at, how) => withByte(bytes, at, (byte) => byte ^ (1 << (how % 8))),
  (bytes, at, how) => withByte(bytes, at, () => pick(INTERESTING_BYTES, how)),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at) => bytes.subarray(at),
  (bytes, at, how) => replaced(bytes, at, at, pick(TOKENS, how)),
  (bytes, at, how) => replaced(bytes, at, at + pick(LENGTHS, how), Buffer.alloc(0)),
  (bytes, at, how) => replaced(bytes, at, at, bytes.subarray(at, at + pick(LENGTHS, how))),
  (bytes, at, how) => replaced(bytes, at, at, Buffer.alloc(pick(LENGTHS, how), how % 256)),
  (bytes, at, how, corpus) => {
    const other = pick(corpus, how);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(how % (other.length + 1))]);
  },
  (bytes, at, how) => {
    const number = String(pick(BOUNDARY_NUMBERS, how));
    const digits = /\d+/.exec(bytes.toString("latin1", at));
    if (digits === null) return replaced(bytes, at, at, Buffer.from(number));
    const from = at + digits.index;
    return replaced(bytes, from, from + digits[0].length, Buffer.from(number));
  },
];

function applyEdit(bytes: Buffer, [at, kind, how]: Edit, corpus: readonly Buffer[]): Buffer {
  return pick(BYTE_EDITS, kind)(bytes, at % (bytes.length + 1), how, corpus);
}

/** Longest input that edits may grow to. */
const MAX_BYTES = 1 << 20;

/** One of the corpus with one to four edits, or now and then bytes out of nowhere. */
export function mutatedBytes(corpus: readonly (string | Uint8Array)[]): fc.Arbitrary<Buffer> {
  const valid = corpus.map((each) => Buffer.from(each as string));
  const mutated = fc
    .tuple(fc.nat(valid.length - 1), edits)
    .map(([index, all]) =>
      all
        .reduce((bytes, edit) => applyEdit(bytes, edit, valid), valid[index] as Buffer)
        .subarray(0, MAX_BYTES),
    );
  const wild = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 30, arbitrary: mutated }, { weight: 1, arbitrary: wild });
}

/** As `mutatedBytes`, decoded as a reader of text would. */
export function mutatedText(corpus: readonly string[]): fc.Arbitrary<string> {
  return mutatedBytes(corpus).map((bytes) => bytes.toString("utf8"));
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

const NASTY: readonly unknown[] = [
  null,
  true,
  "",
  " ",
  "\0",
  "\ud800",
  "a\udc00b",
  "__proto__",
  "constructor",
  "toString",
  "x".repeat(300),
  "x".repeat(70_000),
  "2026-13-45T99:99:99.999Z",
  "http://[",
  "//",
  "javascript:alert(1)",
  "https://user:pass@host:99999/",
  "AAAA",
  "A".repeat(43),
  "A".repeat(86),
  "0".repeat(64),
  [],
  {},
  [[]],
  nested(400),
  Array.from({ length: 2000 }, (_, i) => i),
  ...BOUNDARY_NUMBERS,
];

const replacement = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);

type Container = Record<string, unknown> | unknown[];

/** Every place in a JSON value, as the container and the key in it. */
function placesIn(root: Container): [Container, string][] {
  const places: [Container, string][] = [];
  const visit = (container: Container, depth: number): void => {
    if (places.length > 4000 || depth > 16) return;
    for (const [key, value] of Object.entries(container)) {
      places.push([container, key]);
      if (typeof value === "object" && value !== null) visit(value as Container, depth + 1);
    }
  };
  visit(root, 0);
  return places;
}

type JsonEdit = (container: Container, key: string, value: unknown) => void;

function set(container: Container, key: string, value: unknown): void {
  // An own property, whatever it is called, as JSON.parse makes it.
  Object.defineProperty(container, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

const get = (container: Container, key: string): unknown =>
  (container as Record<string, unknown>)[key];

const JSON_EDITS: readonly JsonEdit[] = [
  set,
  set,
  set,
  (container, key) => {
    if (Array.isArray(container)) container.splice(Number(key), 1);
    else delete container[key];
  },
  (container, key) => {
    if (Array.isArray(container))
      container.splice(Number(key), 0, structuredClone(container[Number(key)]));
    else set(container, `${key}x`, container[key]);
  },
  (container, key) => set(container, key, [get(container, key)]),
  (container, _key, value) => {
    if (Array.isArray(container)) container.push(value);
    else set(container, typeof value === "string" ? value : "unknown", value);
  },
  (container, key) => set(container, key, JSON.stringify(get(container, key)) ?? ""),
];

/** One JSON value of the corpus with one to three fields changed, removed, doubled or added. */
export function mutatedJson(corpus: readonly object[]): fc.Arbitrary<unknown> {
  const edit = fc.tuple(fc.nat(UINT32), fc.nat(UINT32), replacement);
  const all = fc.array(edit, { minLength: 1, maxLength: 3 });
  return fc.tuple(fc.nat(corpus.length - 1), all).map(([index, changes]) => {
    // Wrapped, so that the whole is a place too.
    const root: { whole: unknown } = { whole: structuredClone(corpus[index]) };
    for (const [at, kind, value] of changes) {
      const [container, key] = pick(placesIn(root).slice(at % 50 === 0 ? 0 : 1), at) ?? [
        root,
        "whole",
      ];
      // A copy: a later edit may be inside what an earlier one put there.
      pick(JSON_EDITS, kind)(container, key, structuredClone(value));
    }
    return root.whole;
  });
}
