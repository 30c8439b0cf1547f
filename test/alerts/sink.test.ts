// Which addresses alerts may go to: as an institution writes them, in every spelling, and as a name resolves to them.
import { describe, expect, test } from "vitest";
import { parseSink, PUBLIC_SINKS, sandboxSinks } from "../../gateway/alerts/sink.ts";

const refusal = (url: string): string => {
  try {
    parseSink(url, PUBLIC_SINKS);
    return "taken";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test.each([
  "https://bank.example/alerts",
  "https://bank.example:8443/alerts?watch=1",
  "https://1.1.1.1/",
  "https://[2606:4700:4700::1111]/",
])("%s is taken", (url) => expect(refusal(url)).toBe("taken"));

describe("refused", () => {
  test.each([
    ["another scheme", "http://bank.example/"],
    ["another scheme", "ftp://bank.example/"],
    ["no URL", "bank.example"],
    ["no URL", ""],
    ["credentials", "https://user:pass@bank.example/"],
    ["a name alone", "https://user@bank.example/"],
    ["a fragment", "https://bank.example/#part"],
    ["an empty fragment", "https://bank.example/#"],
    ["too long", `https://bank.example/${"a".repeat(2048)}`],
    ["too long as it is kept", `https://bank.example/${"微".repeat(300)}`],
  ])("%s: %s", (_, url) => expect(refusal(url)).toBe("sink-refused"));

  test.each([
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1.",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "１２７.0.0.1",
  ])("https://%s/", (host) => expect(refusal(`https://${host}/`)).toBe("sink-refused"));

  test.each([
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    // A public address in a mapped form says nothing that it could not say as itself.
    "::ffff:1.1.1.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
  ])("https://[%s]/", (host) => expect(refusal(`https://[${host}]/`)).toBe("sink-refused"));
});

test("what is no address is not allowed", () => {
  for (const address of ["", "bank.example", "127.0.0.1:80", "1.1.1.1/0", "fe80::1%eth0"]) {
    expect(PUBLIC_SINKS.allows(address)).toBe(false);
  }
});

test("the sandbox allows loopback and nothing else that is private; production has no sandbox", () => {
  const sandbox = sandboxSinks("a certificate", false);
  expect(["127.0.0.1", "::1", "1.1.1.1"].map((each) => sandbox.allows(each))).toEqual([
    true,
    true,
    true,
  ]);
  const inside = ["10.0.0.1", "169.254.169.254", "fd00::1", "0.0.0.0"];
  expect(inside.filter((each) => sandbox.allows(each))).toEqual([]);
  expect(() => sandboxSinks("a certificate", true)).toThrow(/production/);
});
