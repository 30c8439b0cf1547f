// Where a log is read from: a folder in tile layout, an HTTP address, or the log itself. All of it is untrusted bytes;
// consent/log/verify.ts believes none of it before the signed root does. Sizes and waits are bounded.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WjfError } from "../../core/errors.ts";
import { HASH_BYTES } from "../../crypto/merkle.ts";
import { decodeBundle, encodeBundle, TILE_WIDTH, tilePath, type TileRef } from "./tile.ts";

/** Bytes by path under the log's prefix, or nothing if there is nothing. `AuditLog` is one. */
export interface LogReader {
  read(path: string): Promise<Buffer | undefined>;
}

// A full bundle of the largest entries (tlog-tiles: uint16 lengths).
const RESPONSE_BYTES_MAX = TILE_WIDTH * (2 + 0xffff);
const HTTP_TIMEOUT_MS = 20_000;

const NOT_THERE = ["ENOENT", "ENOTDIR"];

/**
 * A folder that `exportLog` wrote, or any copy of a log in tile layout.
 * @throws WjfError `log-invalid` for what is there and cannot be read: a folder in a file's place.
 */
export function folderReader(folder: string): LogReader {
  return {
    async read(path) {
      try {
        return await readFile(join(folder, ...path.split("/")));
      } catch (cause) {
        if (NOT_THERE.includes((cause as NodeJS.ErrnoException).code ?? "")) return undefined;
        throw new WjfError("log-invalid", `${path}: not readable`, { cause });
      }
    },
  };
}

/** `https://authority.example/log`. @throws WjfError `federation-unavailable` when it does not answer. */
export function httpReader(prefix: string): LogReader {
  const base = prefix.replace(/\/+$/, "");
  return {
    async read(path) {
      let response: Response;
      try {
        const signal = AbortSignal.timeout(HTTP_TIMEOUT_MS);
        response = await fetch(`${base}/${path}`, { signal, redirect: "error" });
      } catch (cause) {
        throw new WjfError("federation-unavailable", "the log does not answer", { cause });
      }
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) {
        await response.body?.cancel();
        throw new WjfError("federation-unavailable", `the log answers ${response.status}`);
      }
      return readBounded(response);
    },
  };
}

async function readBounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > RESPONSE_BYTES_MAX) throw new WjfError("log-invalid", "a tile is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** An address is read over HTTP, all else is a folder. */
export function logReader(folderOrUrl: string): LogReader {
  return /^https?:\/\//.test(folderOrUrl) ? httpReader(folderOrUrl) : folderReader(folderOrUrl);
}

/**
 * A hash tile of exactly this width, or the entries of one. A log may have dropped a partial tile once it is full
 * (tlog-tiles "Partial Tiles"), so the full one is tried next and cut. Undefined when there is neither, or a hash tile has
 * another length; how many entries a bundle holds is for the caller to see. @throws WjfError `log-invalid`.
 */
export async function readTile(reader: LogReader, ref: TileRef): Promise<Buffer | undefined> {
  const exact = await reader.read(tilePath(ref));
  if (ref.level === "entries") return exact ?? readCutBundle(reader, ref);
  const bytes = exact ?? (await reader.read(tilePath({ ...ref, width: TILE_WIDTH })));
  const wanted = ref.width * HASH_BYTES;
  if (bytes === undefined || bytes.length < wanted) return undefined;
  return exact !== undefined && bytes.length !== wanted ? undefined : bytes.subarray(0, wanted);
}

async function readCutBundle(reader: LogReader, ref: TileRef): Promise<Buffer | undefined> {
  const full = await reader.read(tilePath({ ...ref, width: TILE_WIDTH }));
  return full && encodeBundle(decodeBundle(full).slice(0, ref.width));
}
