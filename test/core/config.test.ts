// Settings from the environment: defaults that agree with DESIGN §7, and refusals that name the variable.
import { isAbsolute } from "node:path";
import { describe, expect, test } from "vitest";
import { nodePort, partyFolder, readSettings } from "../../core/config.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { PROVINCES } from "../../core/provinces.ts";

test("with nothing set: the documented ports, one folder, development", () => {
  const settings = readSettings({});
  expect(settings).toMatchObject({
    production: false,
    bind: "127.0.0.1",
    gatewayPort: 8080,
    authorityPort: 8081,
    authorityGrpcPort: 8090,
    gatewayUrl: "http://127.0.0.1:8080",
    authorityUrl: "http://127.0.0.1:8081",
    authorityEndpoint: "127.0.0.1:8090",
    mergeAuditProbability: 1,
  });
  expect(isAbsolute(settings.home)).toBe(true);
  expect(nodePort(settings, ProvinceCode.parse("11"))).toBe(9011);
  expect(nodePort(settings, ProvinceCode.parse("65"))).toBe(9065);
});

test("addresses follow the ports unless they are given", () => {
  expect(readSettings({ WJF_GATEWAY_PORT: "9" }).gatewayUrl).toBe("http://127.0.0.1:9");
  const given = readSettings({
    WJF_GATEWAY_URL: "https://gateway.example",
    WJF_AUTHORITY_ENDPOINT: "authority.example:443",
  });
  expect(given.gatewayUrl).toBe("https://gateway.example");
  expect(given.authorityEndpoint).toBe("authority.example:443");
});

describe("refused by the variable's name, before anything starts", () => {
  test.each([
    ["WJF_GATEWAY_PORT", "80800"],
    ["WJF_GATEWAY_PORT", "http"],
    ["WJF_AUTHORITY_GRPC_PORT", "0"],
    ["WJF_GATEWAY_URL", "gateway"],
    ["WJF_AUTHORITY_ENDPOINT", "no-port"],
    ["WJF_AUTHORITY_ENDPOINT", "http://authority.example:443"],
    ["WJF_MERGE_AUDIT_PROBABILITY", "1.1"],
    ["WJF_MERGE_AUDIT_PROBABILITY", "-1"],
    // A node could no longer remember which fan-outs it has answered.
    ["WJF_EPOCH_MAX_RELEASES", "65537"],
    ["WJF_EPOCH_LIFETIME_S", "0"],
    // An empty variable is no 0: it would turn a guard off.
    ["WJF_MERGE_AUDIT_PROBABILITY", ""],
    ["WJF_VERIFY_SAMPLE", " "],
    ["WJF_REPLY_QUANTUM_MS", ""],
    ["WJF_GATEWAY_PORT", "0x1F90"],
    ["WJF_ENV", "staging"],
    ["WJF_HOME", ""],
    ["WJF_FAN_OUT_TIMEOUT_MS", "forever"],
  ])("%s=%s", (name, value) => {
    expect(() => readSettings({ [name]: value })).toThrow(
      expect.objectContaining({
        code: "config-invalid",
        detail: expect.stringMatching(`^environment: ${name}: `) as string,
      }),
    );
  });
});

test("every party has a folder of its own", () => {
  const parties = ["authority", "gateway", ...PROVINCES.map(({ code }) => code)] as const;
  const folders = parties.map((party) => partyFolder("/h", party));
  expect(new Set(folders).size).toBe(33);
  for (const folder of folders) {
    for (const other of folders) {
      if (folder !== other) expect(`${other}/`.startsWith(`${folder}/`)).toBe(false);
    }
  }
});

test("GB/T 2260: 31 provinces, ascending, each with both names", () => {
  const codes = PROVINCES.map(({ code }) => code);
  expect(codes).toHaveLength(31);
  expect(codes).toEqual([...new Set(codes)].toSorted());
  for (const { zh, en } of PROVINCES) {
    expect(zh).toMatch(/^[\u4e00-\u9fff]{2,3}$/);
    expect(en).toMatch(/^[A-Z][A-Za-z ]+$/);
  }
});
