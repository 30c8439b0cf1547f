// docker-compose.yml, read as text: every province once, under its name and port, and no volume in two parties' hands.
// Needs no Docker engine. What the containers do is test/deploy/containers.test.ts.
import { execFileSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { nodePort, readSettings } from "../../core/config.ts";
import { NODE_V8_FLAGS } from "../../core/process.ts";
import { PROVINCES } from "../../core/provinces.ts";

const compose = readFileSync(new URL("../../docker-compose.yml", import.meta.url), "utf8")
  // `${VARIABLE:-default}`: what holds when nothing is set.
  .replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, "$1");

/** Not parties: what runs before them, and a customer of theirs. */
const OUTSIDERS = ["ceremony", "bank"];

/** Service name → the text of its block, comment of its first line included. */
function services(): Map<string, string> {
  const section = /^services:\n([\s\S]*?)^\S/m.exec(compose)?.[1] ?? "";
  const blocks = section.matchAll(/^ {2}([a-z0-9-]+):(.*\n(?: {4}.*\n|\n)*)/gm);
  return new Map([...blocks].map(([, name = "", block = ""]) => [name, block]));
}

/** `source:target` mounts of a block, in either notation. */
function mounts(block: string): string[] {
  return [...block.matchAll(/([a-z0-9-]+:\/var\/lib\/wjf[^\s",\]]*)/g)].map(
    ([, mount = ""]) => mount,
  );
}

function publishedPorts(block: string): string[] {
  return [...block.matchAll(/"([^"\s]*:\d+)"/g)].map(([, port = ""]) => port);
}

describe("docker-compose.yml", () => {
  const parties = services();

  test("has authority, gateway and all 31 provinces, each once", () => {
    const expected = ["authority", "gateway", ...PROVINCES.map(({ code }) => `province-${code}`)];
    const names = [...parties.keys()].filter((name) => !OUTSIDERS.includes(name));
    expect(names.toSorted()).toEqual(expected.toSorted());
  });

  test.each(PROVINCES)("runs $en as itself, on its port, with its own volume only", (province) => {
    const { code, zh, en } = province;
    const block = parties.get(`province-${code}`) ?? "";
    const port = nodePort(readSettings({}), code);
    expect(block.split("\n")[0]).toBe(` # ${zh} ${en}`);
    expect(block).toContain("<<: *province\n");
    expect(block).toContain(`"--province", "${code}"`);
    expect(publishedPorts(block)).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(mounts(block)).toEqual([`province-${code}:/var/lib/wjf/nodes/${code}`]);
  });

  test("starts provinces as they are started elsewhere", () => {
    const entrypoint = JSON.stringify(["node", ...NODE_V8_FLAGS]).replaceAll(",", ", ");
    expect(compose).toContain(`x-province: &province\n  <<: *party\n  entrypoint: ${entrypoint}\n`);
  });

  test("gives no party's volume to another party, nor to a customer", () => {
    const held = [...parties]
      .filter(([name]) => name !== "ceremony")
      .flatMap(([, block]) => mounts(block).map((mount) => mount.split(":")[0] ?? ""))
      .filter((volume) => /^(authority|gateway|province-\d\d)$/.test(volume));
    expect(held.length).toBe(PROVINCES.length + 2);
    expect(new Set(held).size).toBe(held.length);
  });

  test("publishes on loopback only", () => {
    const ports = [...parties.values()].flatMap(publishedPorts);
    expect(ports.length).toBe(PROVINCES.length + 3);
    expect(ports.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
  });

  test("has a volume for whatever the ceremony writes: the rest of its container is read-only", () => {
    using home = mkdtempDisposableSync(join(tmpdir(), "wjf-ceremony-"));
    const script = fileURLToPath(new URL("../../deploy/ceremony.ts", import.meta.url));
    execFileSync(process.execPath, [script, "--provinces", "11,12"], {
      env: { ...process.env, WJF_HOME: home.path },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const block = parties.get("ceremony") ?? "";
    const writable = [...block.matchAll(/\/var\/lib\/wjf\/([^\s:",]+)/g)].map(
      ([, path = ""]) => `${path}/`,
    );
    const written = readdirSync(home.path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(home.path.length + 1));
    expect(written).toContain("nodes/11/store.db");
    expect(written.filter((path) => !writable.some((folder) => path.startsWith(folder)))).toEqual(
      [],
    );
  });
});
