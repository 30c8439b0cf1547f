// The command line as a process: what --help costs, what `serve`, `bench` and `node init` print and exit with, what a refusal is with
// --json. Failure would be anything but one JSON document on standard output.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bench } from "../../cli/bench.ts";
import { createOutput } from "../../cli/output.ts";

const home = mkdtempSync(join(tmpdir(), "wjf-cli-"));
afterAll(() => rmSync(home, { recursive: true }));

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function wjf(args: readonly string[], flags: readonly string[] = []): Promise<Ended> {
  const environment = { ...process.env, WJF_HOME: home };
  return await new Promise((resolve) => {
    const argv = [...flags, "cli/main.ts", ...args];
    execFile(process.execPath, argv, { env: environment }, (error, stdout, stderr) => {
      resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** Names on standard error what is loaded of the provider. */
const WATCH = `--import=data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ resolve(specifier, context, next) {
    if (specifier === "oidc-provider") process.stderr.write("loaded " + specifier);
    return next(specifier, context);
  } });
`)}`;

test.each([["--help"], ["keys --help"], ["node --help"]])(
  "wjf %s loads no OpenID provider and says nothing on standard error",
  async (line) => {
    const { status, stdout, stderr } = await wjf(line.split(" "), [WATCH]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Usage: wjf");
  },
);

test("node init: keys once, the same afterwards, and what is still missing", async () => {
  const first = await wjf(["node", "init", "--province", "53", "--json"]);
  const made = JSON.parse(first.stdout) as Record<string, unknown>;
  const keys = join(home, "nodes", "53", "secrets");
  expect(made).toMatchObject({ province: "53", folder: keys, made: true });
  expect(made["missing"]).toEqual([
    "ca.crt",
    "tls.crt",
    "tls.key",
    "group.jwk",
    "subject.key",
    "subject-master.key",
    "trust.jwk",
  ]);
  expect(first.stderr).toContain("wjf node enrol --province 53");
  expect(first.stderr).not.toContain("oidc-provider");
  const read = (): string[] =>
    ["signing.jwk", "mask.jwk"].map((name) => readFileSync(join(keys, name), "utf8"));
  const before = read();
  const again = await wjf(["node", "init", "--province", "53", "--json"]);
  expect(JSON.parse(again.stdout)).toMatchObject({ made: false });
  expect(read()).toEqual(before);
});

test("a refusal with --json is one document, with its code and what to do", async () => {
  const { status, stdout, stderr } = await wjf(["node", "status", "--province", "54", "--json"]);
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: "secret-missing",
    title: expect.any(String),
    detail: expect.stringContaining("ca.crt"),
    next: expect.stringContaining("wjf keys"),
  });
  expect(stderr).toContain("wjf: secret-missing: ");
});

test("bench passes on arguments and exit status, and says where it is missing", async () => {
  const { status, stdout, stderr } = await wjf(["bench", "no-such-benchmark", "--json"]);
  expect([status, stdout]).toEqual([64, ""]);
  expect(stderr).toContain("throughput");
  await expect(bench(createOutput(false), "he", {}, join(home, "bench/main.ts"))).rejects.toThrow(
    "in a checkout of the repository",
  );
});

test("gateway serve --json: one document once it serves, logs beside it, the exit status of the service", async () => {
  await wjf(["keys", "init", "--provinces", "11", "--json"]);
  const port = await freePort();
  const env = { ...process.env, WJF_HOME: home, WJF_GATEWAY_PORT: String(port) };
  const child = spawn(process.execPath, ["cli/main.ts", "gateway", "serve", "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk.toString()));
  const exited = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exited]);
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(JSON.parse(out.join(""))).toMatchObject({
    party: "gateway",
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    addresses: { http: `127.0.0.1:${port}` },
  });
  expect(err.join("")).toContain('"msg":"ready"');
});

test("serve --json of a service that does not start: one document that says so", async () => {
  // A node of which there is no folder.
  const line = ["node", "serve", "--province", "62", "--json"];
  const { status, stdout, stderr } = await wjf(line);
  expect(status).toBe(78);
  expect(JSON.parse(stdout)).toMatchObject({ error: "config-invalid" });
  expect(stderr).not.toBe("");
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
