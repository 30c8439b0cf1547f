// The house rules that a reader of import lines can check: the ladder, the two privacy rules, no dead file, and what
// the repository may not contain. Where a rule has an exception, it is named here with its reason.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { basename, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Which folders a folder may import from, itself included. test/ may import everything. */
const LADDER: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  crypto: ["core", "crypto"],
  catalogue: ["core", "crypto", "catalogue"],
  proto: ["core", "crypto", "catalogue", "proto"],
  consent: ["core", "crypto", "catalogue", "proto", "consent"],
  gateway: ["core", "crypto", "catalogue", "proto", "consent", "gateway"],
  "province-node": ["core", "crypto", "catalogue", "proto", "consent", "province-node"],
  cli: ["core", "crypto", "catalogue", "proto", "consent", "gateway", "province-node", "cli"],
};
const DECRYPT = "crypto/decrypt.ts";
const BANNED_NAMES = /(^|-)(utils?|helpers?|common|managers?|misc|shared)(-|\.|$)/;

interface Import {
  readonly specifier: string;
  /** The imported file, relative to the root; undefined for packages. */
  readonly path: string | undefined;
}

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Files it names in strings: scripts that it starts as processes of their own. */
  readonly starts: readonly string[];
}

const files = listFiles();
const sources = files.filter((path) => /\.(ts|mjs)$/.test(path)).map(readSource);
const product = sources.filter(({ path }) => folderOf(path) in LADDER);

test("the reader sees the files and their imports", () => {
  expect(sources.length).toBeGreaterThan(200);
  const known = sources.find(({ path }) => path === "province-node/reply.ts");
  expect(known?.imports.map(({ path }) => path)).toContain("crypto/index.ts");
  const sample = [
    'import x from "A";',
    'export * from "../b.ts";',
    ["await im", 'port("A")'].join(""),
  ];
  const found = readImports(sample.join("\n").replaceAll("A", "./a.ts"), "core/c.ts");
  expect(found.map(({ path }) => path)).toEqual(["core/a.ts", "b.ts", "core/a.ts"]);
});

describe("the ladder", () => {
  test("a folder imports only from those below it", () => {
    const wrong = product.flatMap(({ path, imports }) =>
      imports
        .filter((each) => each.path !== undefined)
        .filter((each) => !LADDER[folderOf(path)]?.includes(folderOf(each.path as string)))
        .map((each) => `${path} → ${each.path}`),
    );
    expect(wrong).toEqual([]);
  });

  test("gateway and province-node see of consent/ only its verifier", () => {
    const wrong = product
      .filter(({ path }) => ["gateway", "province-node"].includes(folderOf(path)))
      .flatMap(({ path, imports }) =>
        imports
          .filter((each) => folderOf(each.path ?? "") === "consent")
          .filter((each) => each.path !== "consent/verifier.ts")
          .map((each) => `${path} → ${each.path}`),
      );
    expect(wrong).toEqual([]);
  });

  test("the verifier brings nothing that issues, spends, stores or decrypts", () => {
    const reached = [...reachableFrom(["consent/verifier.ts"])].filter(
      (path) => folderOf(path) === "consent",
    );
    const issuing = /\/(oidc|approval|release|log)\/|lifecycle|spend|secrets|clients|ledger|epochs/;
    expect(reached.filter((path) => issuing.test(path))).toEqual([]);
    expect(reached).toContain("consent/signed-request.ts");
  });

  test("the command line's face of consent/ does not bring the OpenID provider, which only the authority runs", () => {
    const reached = reachableFrom(["consent/index.ts"]);
    const bringing = sources.filter(({ imports }) =>
      imports.some(({ specifier }) => specifier === "oidc-provider"),
    );
    expect(bringing.map(({ path }) => path)).toContain("consent/oidc/provider.ts");
    expect(bringing.map(({ path }) => path).filter((path) => reached.has(path))).toEqual([]);
  });

  test("every relative import names a file that is there, with its ending", () => {
    const known = new Set(files);
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((each) => each.path !== undefined && !known.has(each.path))
        .map((each) => `${path} → ${each.specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("privacy in imports", () => {
  test("only the authority's release imports crypto/decrypt.ts", () => {
    const importers = sources
      .filter(({ imports }) => imports.some(({ path }) => path === DECRYPT))
      .map(({ path }) => path)
      // Tests play the adversary; the benchmark measures a decryption.
      .filter((path) => !["test", "bench"].includes(folderOf(path)));
    expect(importers).toEqual(["consent/release/index.ts"]);
  });

  test("decryption cannot be reached from gateway, node or verifier, through whatever file", () => {
    for (const entry of ["gateway/main.ts", "province-node/main.ts", "consent/verifier.ts"]) {
      expect(reachableFrom([entry]).has(DECRYPT), entry).toBe(false);
    }
    expect(reachableFrom(["consent/main.ts"]).has(DECRYPT)).toBe(true);
  });

  test("node-seal is known to crypto/ alone", () => {
    const importers = product
      .filter(({ imports }) => imports.some(({ specifier }) => specifier === "node-seal"))
      .map(({ path }) => path);
    expect(importers.toSorted()).toEqual([DECRYPT, "crypto/seal-scheme.ts"]);
  });

  test("spans are made in core/tracing.ts, and leave through core/trace-export.ts, alone", () => {
    const importersOf = (packages: RegExp): string[] =>
      product
        .filter(({ imports }) => imports.some(({ specifier }) => packages.test(specifier)))
        .map(({ path }) => path);
    const [exporting, spans] = ["core/trace-export.ts", "core/tracing.ts"];
    expect(importersOf(/^@opentelemetry\//)).toEqual([exporting, spans]);
    expect(importersOf(/^@opentelemetry\/(?!api$)/)).toEqual([exporting]);
  });

  test("only what is named for it counts, and labels nothing elsewhere", () => {
    const importers = product
      .filter(({ imports }) => imports.some(({ specifier }) => specifier === "prom-client"))
      .map(({ path }) => path);
    expect(importers.filter((path) => !/\b([a-z]+-)?metrics\.ts$/.test(path))).toEqual([]);
  });

  const node = product.filter(({ path }) => folderOf(path) === "province-node");
  const inNode = (pattern: RegExp): string[] =>
    node.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

  test("only province-node/reply.ts masks, encrypts, signs receipts and builds replies", () => {
    expect(inNode(/\bmasks\.apply\(/)).toEqual(["province-node/reply.ts"]);
    expect(inNode(/\.encrypt\(/)).toEqual(["province-node/reply.ts"]);
    expect(inNode(/\bsignStatement\b/)).toEqual(["province-node/reply.ts"]);
    expect(inNode(/\bNodeReceipt\b/)).toEqual(["province-node/reply.ts"]);
    expect(inNode(/^\s*ciphertext: /m)).toEqual(["province-node/reply.ts"]);
  });

  test("only the two answerers hand anything to reply.ts, and only the server hands on what they answer", () => {
    const importersOf = (target: string): string[] =>
      node
        .filter(({ imports }) => imports.some(({ path }) => path === target))
        .map(({ path }) => path);
    const answerers = ["province-node/answer.ts", "province-node/batch-answer.ts"];
    // The keyring makes the keys that replies are sealed with, and hands nothing over.
    const keyring = "province-node/reply-keys.ts";
    expect(importersOf("province-node/reply.ts")).toEqual([...answerers, keyring]);
    const server = node.find(({ path }) => path === "province-node/server.ts");
    const imported = server?.imports.map(({ path }) => path);
    expect(imported).toEqual(expect.arrayContaining(answerers));
  });

  test("a province node has no other way out: no socket, no HTTP, no process of its own", () => {
    const outward =
      /^(node:)?(net|tls|http|https|http2|dgram|child_process|worker_threads|cluster)$/;
    const wrong = node.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => outward.test(specifier) || /^(undici|fastify)/.test(specifier))
        .map(({ specifier }) => `${path} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
    expect(inNode(/\bfetch\(/)).toEqual([]);
  });

  test("the gateway connects to addresses that others choose in alerts/send.ts alone", () => {
    const outward = /^(node:)?(net|tls|https?|http2|dns(\/promises)?|dgram)$|^undici/;
    const goingOut = product
      .filter(({ path }) => folderOf(path) === "gateway")
      .filter(
        ({ text, imports }) =>
          /\bfetch\(/.test(text) || imports.some(({ specifier }) => outward.test(specifier)),
      )
      .map(({ path }) => path);
    // sink.ts has from node:net what an address is.
    expect(goingOut).toEqual(["gateway/alerts/send.ts", "gateway/alerts/sink.ts"]);
  });
});

describe("what is passed in is not taken", () => {
  const reads = (pattern: RegExp, folders: readonly string[]): string[] =>
    product
      .filter(({ path }) => folders.includes(folderOf(path)))
      .filter(({ text }) => pattern.test(withoutComments(text)))
      .map(({ path }) => path);

  test("only core/clock.ts reads the wall clock", () => {
    const readers = reads(/\bDate\.now\(\)|new Date\(\)/, Object.keys(LADDER));
    // gRPC deadlines are points in wall-clock time (proto/calls.ts says so).
    expect(readers.toSorted()).toEqual(["core/clock.ts", "proto/calls.ts"]);
  });

  test("crypto/ and catalogue/ know neither environment nor network", () => {
    expect(reads(/\bprocess\.(env|argv)\b|\bfetch\(/, ["crypto", "catalogue"])).toEqual([]);
  });

  test("Math.random is nowhere", () => {
    expect(reads(/\bMath\.random\b/, Object.keys(LADDER))).toEqual([]);
  });
});

describe("no dead file", () => {
  const entries = sources
    .map(({ path }) => path)
    .filter(
      (path) =>
        /\/main\.ts$|\.(test|slow)\.ts$/.test(path) ||
        ["examples", "deploy"].includes(folderOf(path)) ||
        // Run by hand: it writes the example model that the tests use.
        path === "test/sichuan/fit.ts" ||
        !path.includes("/") ||
        path.endsWith(".mjs"),
    );
  const live = reachableFrom(entries, true);

  test("every file is reached from an entry point or a test", () => {
    const dead = sources.map(({ path }) => path).filter((path) => !live.has(path));
    expect(dead).toEqual([]);
  });

  test("a file of the product is not kept alive by a test of it alone", () => {
    const run = reachableFrom(
      entries.filter((path) => folderOf(path) !== "test"),
      true,
    );
    const onlyTested = product.map(({ path }) => path).filter((path) => !run.has(path));
    // It writes docs/ERRORS.md when it is run by hand.
    expect(onlyTested).toEqual(["cli/errors-doc.ts"]);
  });

  test("every dependency is used, and everything used is declared", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
      scripts: Record<string, string>;
    };
    const builtin = new Set(builtinModules);
    const packageOf = (specifier: string): string =>
      specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
    const importsIn = (list: readonly Source[]): Set<string> =>
      new Set(
        list.flatMap(({ imports }) =>
          imports
            .filter(({ path, specifier }) => path === undefined && !specifier.startsWith("node:"))
            .map(({ specifier }) => packageOf(specifier))
            .filter((name) => !builtin.has(name)),
        ),
      );
    const { dependencies, devDependencies } = manifest;
    const undeclared = [...importsIn(product)].filter((name) => !(name in dependencies));
    expect(undeclared).toEqual([]);
    const all = importsIn(sources);
    const declared = { ...dependencies, ...devDependencies };
    expect([...all].filter((name) => !(name in declared))).toEqual([]);
    // Run as programs, or types of what is imported.
    const tools = /^(node|typescript|oxlint|oxlint-tsgolint|prettier|vitest|@types\/.*)$/;
    const unused = Object.keys(declared).filter((name) => !all.has(name) && !tools.test(name));
    expect(unused).toEqual([]);
    const inexact = Object.entries(declared).filter(
      ([, version]) => !/^\d+\.\d+\.\d+/.test(version),
    );
    expect(inexact).toEqual([]);
  });
});

describe("files", () => {
  test("open with a comment", () => {
    const bare = sources
      .filter(({ text }) => !/^(#!.*\n)?(\/\/ |\/\*)/.test(text))
      .map(({ path }) => path);
    expect(bare).toEqual([]);
  });

  test("are named for the domain, in kebab-case", () => {
    const banned = files.filter((path) => path.split("/").some((part) => BANNED_NAMES.test(part)));
    expect(banned).toEqual([]);
    const shouting = sources
      .map(({ path }) => basename(path))
      .filter((name) => /[A-Z_]/.test(name));
    expect(shouting).toEqual([]);
  });

  test("stay readable: at most 300 lines of a product file", () => {
    const long = product
      .filter(({ text }) => text.split("\n").length > 300)
      .map(({ path }) => path)
      // One table.
      .filter((path) => path !== "core/errors.ts");
    expect(long).toEqual([]);
  });

  test("name no package registry and no place on somebody's machine", () => {
    // Written so that this file does not find itself.
    const host = /registry[.]|npm[m]irror|artifactor[y]/i;
    const place = new RegExp(
      `(^|[\\s"'\`(=:])/(${["work", "home", "root", "Users"].join("|")})/\\w`,
      "m",
    );
    const text = files.filter((path) =>
      /\.(ts|mjs|js|json|md|ya?ml|sh|proto|html|css)$|^\.|^[A-Z]/.test(path),
    );
    expect(text.length).toBeGreaterThan(200);
    const wrong = text.filter((path) => {
      const content = readFileSync(join(ROOT, path), "utf8");
      return host.test(content) || place.test(content);
    });
    expect(wrong).toEqual([]);
    expect(readFileSync(join(ROOT, "package-lock.json"), "utf8")).not.toContain('"resolved"');
  });
});

/** Files that belong to the repository: tracked, or new and not ignored. */
function listFiles(): string[] {
  const listed = execFileSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  return [...new Set(listed.split("\0").filter((path) => path !== ""))].toSorted();
}

function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, imports: readImports(text, path), starts: readStarts(text, path) };
}

function readStarts(text: string, path: string): string[] {
  const named = [...text.matchAll(/["'`]([\w./-]+\.ts)["'`]/g)].map((match) => match[1] as string);
  return named.flatMap((name) => [posix.normalize(name), posix.join(dirname(path), name)]);
}

function readImports(text: string, path: string): Import[] {
  const statements = [
    ...text.matchAll(/^\s*(?:import|export)\b[^;"']*?\bfrom\s+["']([^"']+)["']/gm),
    ...text.matchAll(/^\s*import\s+["']([^"']+)["']/gm),
    ...text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g),
  ];
  return statements.map((statement) => {
    const specifier = statement[1] as string;
    const relative = specifier.startsWith(".");
    return {
      specifier,
      path: relative ? posix.normalize(posix.join(dirname(path), specifier)) : undefined,
    };
  });
}

/** By imports; with `started`, also by starting scripts. */
function reachableFrom(entries: readonly string[], started = false): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const source = byPath.get(path);
    const imported = source?.imports.flatMap((each) => each.path ?? []) ?? [];
    const next = started ? [...imported, ...(source?.starts ?? [])] : imported;
    queue.push(...next.filter((each) => byPath.has(each)));
  }
  return reached;
}

function folderOf(path: string): string {
  return path.split("/")[0] as string;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}
