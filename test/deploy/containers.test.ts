// The image for real, where a Docker engine answers and a base image is on the machine (nothing is pulled): it builds,
// runs as nobody in particular, and one province comes up healthy from the secrets of a ceremony in another container,
// of which it gets its own folder only. Elsewhere these tests are skipped and say why.
import { execFileSync } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Readable } from "node:stream";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BASE = process.env["WJF_BASE_IMAGE"] ?? "weijifen-base:bookworm";
const HOME = "/var/lib/wjf";
const BUILD_MS = 600_000;
const START_MS = 300_000;

// No reaper: it is an image that would have to be pulled. Every container here is disposed of by its own test.
process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";

/** Why not, or undefined when the tests can run. */
function whyNot(): string | undefined {
  const docker = (...args: string[]): boolean => {
    try {
      execFileSync("docker", args, { stdio: "ignore", timeout: 10_000 });
      return true;
    } catch {
      return false;
    }
  };
  if (!docker("version")) return "no Docker engine answers";
  if (!docker("image", "inspect", BASE)) return `no base image ${BASE}: see deploy/base-image.sh`;
  return undefined;
}

const obstacle = whyNot();
if (obstacle !== undefined) process.stderr.write(`container tests skipped: ${obstacle}\n`);

describe.skipIf(obstacle !== undefined)("containers", () => {
  let image: GenericContainer;

  beforeAll(async () => {
    image = await GenericContainer.fromDockerfile(ROOT)
      .withBuildArgs({ BASE })
      .build("weijifen:test", { deleteOnExit: false });
  }, BUILD_MS);

  /** A container that runs to its end. */
  async function finished(container: GenericContainer): Promise<StartedTestContainer> {
    return await container.withWaitStrategy(Wait.forOneShotStartup()).start();
  }

  test("tells its commands, as a user without rights, from an image without tests or data", async () => {
    const script = "id -u; node --version; ls -A /app; node cli/main.ts --help; touch /app/x";
    await using container = await finished(
      image.withEntrypoint(["sh", "-c", `(${script}) 2>&1; true`]),
    );
    const said = (await buffer(await container.logs())).toString();
    expect(said).toMatch(/^10001\nv26\./);
    expect(said).toContain("Usage: wjf");
    expect(said).toContain("Permission denied");
    expect(said.split("\n")).not.toContain("test");
    expect(said.split("\n")).not.toContain(".git");
  });

  test(
    "brings up one province from a ceremony elsewhere, healthy, holding its own secrets only",
    async () => {
      const folder = `${HOME}/nodes/51`;
      await using ceremony = await finished(
        image
          .withEntrypoint(["node", "deploy/ceremony.ts", "--provinces", "12,51"])
          .withNetworkMode("none"),
      );
      const own = await buffer(await ceremony.copyArchiveFromContainer(folder));
      await using node = await new GenericContainer("weijifen:test")
        .withEntrypoint(["node", "province-node/main.ts", "--province", "51"])
        .withCopyArchivesToContainer([{ tar: Readable.from([own]), target: `${HOME}/nodes` }])
        .withEnvironment({ WJF_AUTHORITY_ENDPOINT: "authority.invalid:8090" })
        .withHealthCheck({ test: ["CMD", "node", "deploy/health.ts"], interval: 2000 })
        .withWaitStrategy(Wait.forHealthCheck())
        .withStartupTimeout(START_MS)
        .start();
      const { output: files } = await node.exec(["find", HOME, "-type", "f"]);
      const held = files.trim().split("\n");
      expect(held).toContain(`${folder}/secrets/tls.key`);
      expect(held.filter((path) => !path.startsWith(`${folder}/`))).toEqual([]);
      const { output: healthy } = await node.exec(["node", "deploy/health.ts"]);
      expect(healthy.trim()).toBe("p51: healthy");
    },
    START_MS,
  );
});
