// The approval page and the person's own consents, driven by fetch as a browser without script would: what is shown, what
// is required, what a wrong or late or foreign form does. The forms are read from the pages, never assumed.
import { expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { wording } from "../../consent/approval/wording.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { sandboxSms } from "../../consent/sms.ts";
import { type Fixture, openFixture } from "./oidc-fixture.ts";
import { askForConsent, decide, inputs, openPage } from "./approval-browser.ts";

async function stateOf(fixture: Fixture, id: string): Promise<string> {
  return (await readConsent(fixture.db, fixture.options.atRest, id)).state;
}

test("the page says who, what for, which data, what comes out, how often and for how long; in both languages", async () => {
  await using fixture = await openFixture();
  const { link } = await askForConsent(fixture);
  for (const [lang, words] of [
    [
      "zh-CN",
      [
        "示范银行",
        "信用评分",
        "评估您的信用状况",
        "位置与行踪",
        "共 2 次",
        "30天",
        "验证码",
        "A-117",
      ],
    ],
    [
      "en",
      [
        "示范银行",
        "credit score",
        "assess your credit",
        "whereabouts",
        "2 times",
        "30 days",
        "Code",
        "A-117",
      ],
    ],
  ] as const) {
    const { html, response } = await openPage(`${link}?lang=${lang}`);
    expect(response.status).toBe(200);
    expect(html).toContain(`<html lang="${lang}">`);
    for (const word of words) expect(html, `${lang}: ${word}`).toContain(word);
    expect(html).toContain("consumer-affairs@bank.example");
    expect(html).not.toContain("<script");
  }
});

test("a browser's language is followed, and every control has a label", async () => {
  await using fixture = await openFixture();
  const { link } = await askForConsent(fixture);
  const { html } = await openPage(link, { headers: { "accept-language": "en-GB,en;q=0.9" } });
  expect(html).toContain('<html lang="en">');
  const controls = inputs(html).filter(({ type }) => type !== "hidden");
  expect(controls.map(({ id }) => id)).toEqual([
    "class-payment",
    "class-location",
    "recipient",
    "code",
  ]);
  for (const { id } of controls) expect(html).toContain(`<label for="${id}">`);
  expect(controls.filter(({ checked }) => checked)).toEqual([]);
});

test("security headers: nothing may run, frame, cache or leak the page", async () => {
  await using fixture = await openFixture();
  const { link } = await askForConsent(fixture);
  const { response } = await openPage(link);
  const policy = response.headers.get("content-security-policy");
  for (const rule of ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"]) {
    expect(policy).toContain(rule);
  }
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("referrer-policy")).toBe("same-origin");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
});

test("what institutions say about themselves is escaped", async () => {
  const name = `<img src=x onerror="alert(1)">'&`;
  await using fixture = await openFixture({ client: { name } });
  const { link } = await askForConsent(fixture);
  const { html } = await openPage(link);
  expect(html).not.toContain("<img");
  expect(html).toContain("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#39;&amp;");
});

test("agreeing: every box ticked and the code right", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture);
  const { html, response } = await decide(link, {
    decision: "approve",
    code,
    recipient: "yes",
    class: ["payment", "location"],
  });
  expect(response.status).toBe(200);
  expect(html).toContain(wording("zh-CN").approvedTitle);
  const consent = await readConsent(fixture.db, fixture.options.atRest, id);
  expect(consent).toMatchObject({ state: "ACTIVE" });
  expect(consent.terms.actions).toEqual(["credit-score@1", "id-check@1"]);
});

test("a class left unticked is not granted, nor a product that needs it", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture);
  await decide(link, { decision: "approve", code, recipient: "yes", class: ["payment"] });
  const consent = await readConsent(fixture.db, fixture.options.atRest, id);
  expect(consent).toMatchObject({ state: "ACTIVE" });
  expect(consent.terms.actions).toEqual(["id-check@1"]);
});

test("no recipient box, or nothing granted: asked again with what was ticked, and the code still good", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture, ["credit-score@1"]);
  const words = wording("zh-CN").errors;
  const first = await decide(link, { decision: "approve", code, class: ["payment", "location"] });
  expect(first.response.status).toBe(422);
  expect(first.html).toContain(words["recipient-missing"]);
  expect(first.html).toContain('role="alert"');
  const ticked = inputs(first.html).filter(({ checked }) => checked);
  expect(ticked.map(({ id }) => id)).toEqual(["class-payment", "class-location"]);
  expect(first.html).not.toContain(code);
  const second = await decide(link, { decision: "approve", code, recipient: "yes" });
  expect(second.html).toContain(words["nothing-granted"]);
  expect(await stateOf(fixture, id)).toBe("REQUESTED");
  const third = { decision: "approve", code, recipient: "yes", class: ["payment", "location"] };
  await decide(link, third);
  expect(await stateOf(fixture, id)).toBe("ACTIVE");
});

test("refusing takes no code, and is final", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture);
  const { html } = await decide(link, { decision: "deny" });
  expect(html).toContain(wording("zh-CN").deniedTitle);
  expect(await stateOf(fixture, id)).toBe("DENIED");
  const late = await decide(link, { decision: "approve", code, recipient: "yes" });
  expect(late.response.status).toBe(404);
  expect((await openPage(link)).response.status).toBe(404);
  expect(await stateOf(fixture, id)).toBe("DENIED");
});

test("five wrong codes close the request as refused; a new code does not bring attempts back", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture);
  const wrong = {
    decision: "approve",
    code: code === "000000" ? "000001" : "000000",
    recipient: "yes",
  };
  for (let i = 0; i < 3; i++) {
    const { html, response } = await decide(link, wrong);
    expect(response.status).toBe(422);
    expect(html).toContain(wording("zh-CN").errors["code-wrong"]);
  }
  const resent = await openPage(`${link}/code`, { method: "POST" });
  expect(resent.html).toContain(wording("zh-CN").resent);
  const fresh = fixture.outbox.at(-1)?.code ?? "";
  expect((await decide(link, { ...wrong, code })).response.status).toBe(code === fresh ? 200 : 422);
  const last = await decide(link, wrong);
  expect(last.html).toContain(wording("zh-CN").lockedTitle);
  expect(await stateOf(fixture, id)).toBe("DENIED");
  const late = await decide(link, { decision: "approve", code: fresh, recipient: "yes" });
  expect(late.response.status).toBe(404);
});

test("two tabs at once: one decision", async () => {
  await using fixture = await openFixture();
  const { link, code, id } = await askForConsent(fixture);
  const yes = { decision: "approve", code, recipient: "yes" };
  await Promise.all([decide(link, yes), decide(link, { decision: "deny" }), decide(link, yes)]);
  const decided = fixture.events.filter(({ action }) => action !== "request");
  expect(decided).toHaveLength(1);
  expect(decided[0]?.to).toBe(await stateOf(fixture, id));
});

test("a form from another site is refused before anything happens", async () => {
  await using fixture = await openFixture();
  const { link, id } = await askForConsent(fixture);
  for (const headers of [
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "https://evil.example" },
    { origin: "null" },
  ]) {
    const { response } = await decide(link, { decision: "deny" }, headers);
    expect(response.status, JSON.stringify(headers)).toBe(400);
  }
  expect(await stateOf(fixture, id)).toBe("REQUESTED");
});

test("a request that lapsed is closed, and housekeeping forgets the phone", async () => {
  let offsetMs = 0;
  const clock = { nowMs: () => systemClock.nowMs() + offsetMs };
  await using fixture = await openFixture({ clock });
  const { link, id } = await askForConsent(fixture);
  offsetMs = 601_000;
  expect((await openPage(link)).response.status).toBe(404);
  await fixture.service.housekeeping();
  expect(await stateOf(fixture, id)).toBe("EXPIRED");
  const approvals = await fixture.db.selectFrom("consent_approval").selectAll().execute();
  expect(approvals.map(({ phone_sealed }) => phone_sealed)).toEqual([null]);
});

test("the sandbox outbox refuses production", () => {
  for (const env of [{ NODE_ENV: "production" }, { WJF_ENV: "production" }]) {
    expect(() => sandboxSms("outbox.ndjson", env)).toThrow(
      expect.objectContaining({ code: "config-invalid" }),
    );
  }
});
