// A province node's code in one file, for a machine that starts 31 of them: resolving, reading and linking some 600 modules is a
// quarter of a node's start. Made anew from the sources at each start, so that it cannot be older than they are; where one
// machine runs one party, the sources run as they are. docs/decisions/090-one-file-for-31-nodes.md.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const MAIN = fileURLToPath(new URL("../province-node/main.ts", import.meta.url));

/**
 * @param folder is emptied, then holds the file and what it loads later.
 * @returns the file to start a node with.
 */
export async function bundleProvinceNode(folder: string): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  await using bundle = await rolldown({
    input: MAIN,
    platform: "node",
    logLevel: "silent",
    plugins: [{ name: "where-the-source-lies", transform: keepLocation }],
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "esm",
    // Said by the name, or it is found out by reading all of it twice.
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name]-[hash].mjs",
  });
  return join(folder, output[0].fileName);
}

/** Files that lie beside a module are found beside its source. */
function keepLocation(code: string, id: string): string | undefined {
  if (!code.includes("import.meta.")) return undefined;
  return code
    .replaceAll("import.meta.dirname", JSON.stringify(dirname(id)))
    .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(id).href));
}
