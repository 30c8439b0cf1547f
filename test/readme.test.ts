// What the documents say exists: commands with their options, npm scripts, settings with their defaults, snippets, error
// codes, files, links. What they claim beyond that is for reviewers. The demo and the test run themselves are CI's.
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { loadCatalogue } from "../catalogue/index.ts";
import { QueryAuthorization } from "../consent/consent-claims.ts";
import { QueryBody } from "../consent/signed-request.ts";
import { Settings } from "../core/config.ts";
import { ERRORS } from "../core/errors.ts";
import { AnswerSchema } from "../gateway/schemas.ts";

const DOCUMENTS = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];
const READMES = ["README.md", "README.zh-CN.md"];

const read = (path: string): string => readFileSync(path, "utf8");
const manifest = z
  .object({
    license: z.string(),
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(read("package.json")));

/** Fenced blocks of one language, as they would be without a list's indentation. */
function blocks(document: string, language: string): string[] {
  const fences = read(document).matchAll(/^( *)```(\w+)\n(.*?)^ *```$/gms);
  return [...fences]
    .filter(([, , found]) => found === language)
    .map(([, indent = "", , text = ""]) => text.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

/** Lines of shell blocks, continued lines joined. */
function commands(document: string): string[] {
  return blocks(document, "sh").flatMap((block) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .flatMap((line) => line.split(" && "))
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#")),
  );
}

/** First cells of a table's rows, without their backticks; several in one cell are several. */
function firstCells(document: string, heading: string): string[] {
  const section = read(document).split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
}

const run = promisify(execFile);
const helps = new Map<string, Promise<string>>();

function help(path: string): Promise<string> {
  const known = helps.get(path);
  if (known !== undefined) return known;
  const words = path.split(" ").filter((word) => word !== "");
  const asked = run(process.execPath, ["cli/main.ts", ...words, "--help"]).then(
    ({ stdout }) => stdout,
  );
  helps.set(path, asked);
  return asked;
}

/** Commands of one word, and of three; the others have two, and arguments after that. */
const DEPTH: Readonly<Record<string, number>> = {
  up: 1,
  demo: 1,
  ask: 1,
  bench: 1,
  "authority province": 3,
  "node training": 3,
};

describe("commands", () => {
  const wjf = DOCUMENTS.flatMap((document) =>
    commands(document)
      .filter((line) => line.startsWith("npx wjf "))
      .map((line) => ({ document, line: line.slice("npx wjf ".length) })),
  );

  test("there are some to look at", () => {
    expect(wjf.length).toBeGreaterThan(5);
  });

  test.each(wjf)("$document: wjf $line", async ({ line }) => {
    if (line === "--help") return expect(await help("")).toContain("Usage: wjf");
    const words = /^[a-z-]+( [a-z-]+)*/.exec(line)?.[0].replace(/ --.*/, "") ?? "";
    const [first = "", second = ""] = words.split(" ");
    const path = words.split(" ").slice(0, DEPTH[`${first} ${second}`] ?? DEPTH[first] ?? 2);
    const said = await help(path.join(" "));
    // For an unknown subcommand the parent's help is printed.
    expect(said).toContain(`Usage: wjf ${path.join(" ")} [options]`);
    expect(said).not.toContain("[command]");
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(said).toContain(option);
  });

  test("npm scripts exist", () => {
    for (const document of DOCUMENTS) {
      const text = read(document);
      for (const [, name = ""] of text.matchAll(/npm run (?:-s )?([a-z:]+)/g)) {
        expect(manifest.scripts, `${document}: npm run ${name}`).toHaveProperty([name]);
      }
    }
    expect(manifest.scripts).toMatchObject({ start: expect.any(String), test: expect.any(String) });
  });

  test("the two commands stand in both READMEs", () => {
    for (const readme of READMES) {
      expect(blocks(readme, "sh")).toContain("npm ci && npm run demo\n");
      expect(blocks(readme, "sh")).toContain("npm ci && npm test\n");
    }
  });
});

describe("snippets", () => {
  test("JSON is JSON", () => {
    for (const document of DOCUMENTS) {
      for (const block of blocks(document, "json")) {
        expect(() => JSON.parse(block) as unknown, `${document}: ${block}`).not.toThrow();
      }
    }
  });

  test.each(READMES)(
    "%s: consent request, query, answer and claims fit their schemas",
    (readme) => {
      const [request, answer, claims] = blocks(readme, "json").map(
        (text) => JSON.parse(text) as unknown,
      );
      expect(() => z.array(QueryAuthorization).length(1).parse(request)).not.toThrow();
      expect(() => AnswerSchema.parse(answer)).not.toThrow();
      const product = loadCatalogue().products.get("identity-verification@1");
      expect(product?.claimsSchema?.safeParse(claims)).toMatchObject({ success: true });
      const body = blocks(readme, "http")[0]?.split("\n\n")[1] ?? "";
      expect(() => QueryBody.parse(JSON.parse(body))).not.toThrow();
    },
  );

  test.each(READMES)("%s: the claims of `wjf ask` fit the product", (readme) => {
    const asked = commands(readme).filter((line) => line.includes("--claims"));
    expect(asked).not.toEqual([]);
    for (const line of asked) {
      const product = loadCatalogue().products.get(/--product (\S+)/.exec(line)?.[1] ?? "");
      const claims = JSON.parse(/--claims '([^']+)'/.exec(line)?.[1] ?? "") as unknown;
      expect(product?.claimsSchema?.safeParse(claims)).toMatchObject({ success: true });
    }
  });

  test("both READMEs show the same", () => {
    const [english, chinese] = READMES as [string, string];
    for (const language of ["sh", "json", "http", "text"]) {
      expect(blocks(chinese, language)).toEqual(blocks(english, language));
    }
  });
});

describe("settings", () => {
  const known = Object.keys(Settings.shape);

  test.each([
    ["README.md", "Settings"],
    ["README.zh-CN.md", "设置"],
  ])("%s has each, with its default", (readme, heading) => {
    const rows = [...read(readme).matchAll(/^\| `(WJF_\w+)` +\| (.*?) +\|/gm)].map(
      ([, name = "", cell = ""]) => ({ name, cell }),
    );
    expect(read(readme)).toContain(`\n## ${heading}\n`);
    expect(rows.map(({ name }) => name).toSorted()).toEqual([...known, "WJF_LOG_LEVEL"].toSorted());
    const defaults: Readonly<Record<string, string | number | boolean | undefined>> =
      Settings.parse({});
    for (const { name, cell } of rows) {
      if (defaults[name] !== undefined) expect(cell, name).toBe(`\`${defaults[name]}\``);
    }
  });

  test("OPERATIONS.md says who reads each", () => {
    const listed = firstCells("docs/OPERATIONS.md", "Settings").filter((n) => n.startsWith("WJF_"));
    // WJF_GATEWAY_URL is told below the table: the ceremony alone reads it.
    expect([...listed, "WJF_GATEWAY_URL"].toSorted()).toEqual(
      [...known, "WJF_LOG_LEVEL"].toSorted(),
    );
  });

  test("troubleshooting names codes that exist", () => {
    const codes = firstCells("docs/OPERATIONS.md", "Troubleshooting");
    expect(codes.length).toBeGreaterThan(10);
    for (const code of codes) expect(ERRORS).toHaveProperty([code]);
  });
});

describe("files", () => {
  /** A file or folder of this repository, as documents write them. */
  const SOURCE =
    /^(core|crypto|catalogue|proto|consent|gateway|province-node|cli|deploy|examples|bench|docs|test)\/([\w./-]*\.(ts|mjs|proto|json|md|sh)|[\w/-]*\/)?$/;

  test("paths in code are there", () => {
    const missing = DOCUMENTS.flatMap((document) =>
      [...read(document).matchAll(/`([\w./-]+)`/g)]
        .map(([, path = ""]) => path)
        .filter((path) => SOURCE.test(path) && !existsSync(path))
        .map((path) => `${document}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  test("links lead somewhere", () => {
    const links = DOCUMENTS.flatMap((document) =>
      [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = ""]) => ({ document, link }))
        .filter(({ link }) => !/^https?:/.test(link)),
    );
    expect(links.length).toBeGreaterThan(50);
    expect(links.filter(({ document, link }) => !leads(document, link))).toEqual([]);
  });

  test("the index of decisions has every decision", () => {
    const index = read("docs/decisions/README.md");
    for (const name of readdirSync("docs/decisions")) {
      if (name !== "README.md") expect(index).toContain(`](${name})`);
    }
  });

  test("dependencies.md has every dependency, and no other", () => {
    expect(
      firstCells("docs/decisions/dependencies.md", "At run time").filter(isPackage).toSorted(),
    ).toEqual(Object.keys(manifest.dependencies).toSorted());
    expect(
      firstCells("docs/decisions/dependencies.md", "For development").filter(isPackage).toSorted(),
    ).toEqual(Object.keys(manifest.devDependencies).toSorted());
  });

  test("the licence is the one that package.json names", () => {
    expect(manifest.license).toBe("Apache-2.0");
    expect(read("LICENSE")).toContain("Apache License");
    expect(read("LICENSE")).toContain("END OF TERMS AND CONDITIONS");
  });
});

function leads(document: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? document : join(dirname(document), path);
  return existsSync(target) && (anchor === undefined || anchors(target).includes(anchor));
}

const isPackage = (name: string): boolean => /^(@[a-z-]+\/)?[a-z0-9-]+$/.test(name);

/** The anchors that a Markdown page's headings get. */
function anchors(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
