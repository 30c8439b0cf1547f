// A province node's code in one file, for a machine that starts 31 of them: resolving, reading and linking some 600 modules is a
// quarter of a node's start. It is named by the hash of all that it is made of, so it cannot be older than the sources; where
// one machine runs one party, the sources run as they are. docs/decisions/090-one-file-for-31-nodes.md.
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Whatever a node may import, and the exact versions of what comes with npm. */
const SOURCES = [
  "{core,crypto,catalogue,proto,consent,province-node}/**/*.ts",
  "package-lock.json",
  "cli/bundle.ts",
];

/**
 * @param folder is kept for this alone.
 * @returns the file to start a node with; made now, unless there is one of these very sources.
 */
export async function bundleProvinceNode(folder: string): Promise<string> {
  const made = join(folder, sourcesDigest());
  const main = join(made, "main.mjs");
  if (existsSync(main)) return main;
  rmSync(folder, { recursive: true, force: true });
  const making = `${made}.making`;
  const { rolldown } = await import("rolldown");
  await using bundle = await rolldown({
    input: join(ROOT, "province-node/main.ts"),
    platform: "node",
    logLevel: "silent",
    plugins: [{ name: "where-the-source-lies", transform: keepLocation }],
  });
  await bundle.write({
    dir: making,
    format: "esm",
    // Said by the name, or it is found out by reading all of it twice.
    entryFileNames: "main.mjs",
    chunkFileNames: "[name]-[hash].mjs",
  });
  renameSync(making, made);
  return main;
}

/** Over names and contents, and where they lie: that is written into the file. */
function sourcesDigest(): string {
  const hash = createHash("sha256").update(ROOT);
  for (const path of globSync(SOURCES, { cwd: ROOT }).toSorted()) {
    hash.update(`\n${path}\n`).update(readFileSync(join(ROOT, path)));
  }
  return hash.digest("hex");
}

/** Files that lie beside a module are found beside its source. */
function keepLocation(code: string, id: string): string | undefined {
  if (!code.includes("import.meta.")) return undefined;
  return code
    .replaceAll("import.meta.dirname", JSON.stringify(dirname(id)))
    .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(id).href));
}
