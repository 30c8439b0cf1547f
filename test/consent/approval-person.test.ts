// The person's own consents: signing in by a code, seeing only one's own, pausing, resuming, withdrawing.
import { expect, test } from "vitest";
import { wording } from "../../consent/approval/wording.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { askForConsent, decide, inputs, openPage, post } from "./approval-browser.ts";
import { type Fixture, openFixture, PHONE } from "./oidc-fixture.ts";

async function approved(fixture: Fixture): Promise<string> {
  const { link, code, id } = await askForConsent(fixture);
  await decide(link, {
    decision: "approve",
    code,
    recipient: "yes",
    class: ["payment", "location"],
  });
  return id;
}

/** Waits for the message that signing in sends after it has answered. */
async function signInCode(fixture: Fixture): Promise<string> {
  for (let turn = 0; turn < 1000; turn++) {
    const message = fixture.outbox.at(-1);
    if (message?.template === "sign-in") return message.code;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("no sign-in code was sent");
}

function ticketOf(html: string): string {
  return inputs(html).find(({ name }) => name === "ticket")?.value ?? "";
}

async function signIn(fixture: Fixture, phone = "13812345678"): Promise<string> {
  const { html } = await post(`${fixture.origin}/consents/session`, { phone });
  const code = await signInCode(fixture);
  const { response } = await post(`${fixture.origin}/consents/session`, {
    ticket: ticketOf(html),
    code,
  });
  expect(response.status).toBe(303);
  const cookie = response.headers.get("set-cookie") ?? "";
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  return cookie.split(";")[0] as string;
}

test("sign in, see the consent with its terms, pause, resume, withdraw; each is an event", async () => {
  await using fixture = await openFixture();
  const id = await approved(fixture);
  const cookie = await signIn(fixture);
  const list = await openPage(`${fixture.origin}/consents?lang=en`, { headers: { cookie } });
  expect(list.html).toContain("示范银行");
  expect(list.html).toContain(`/consents/${id}`);
  const url = `${fixture.origin}/consents/${id}?lang=en`;
  const page = await openPage(url, { headers: { cookie } });
  expect(page.html).toContain("used 0 of 2");
  const form_token = inputs(page.html).find(({ name }) => name === "form_token")?.value ?? "";
  for (const [action, state] of [
    ["pause", "PAUSED"],
    ["resume", "ACTIVE"],
    ["revoke", "REVOKED"],
  ] as const) {
    const { response, html } = await post(url, { action, form_token }, { cookie });
    expect(response.status).toBe(200);
    expect(html).toContain(wording("en").states[state]);
    expect((await readConsent(fixture.db, fixture.options.atRest, id)).state).toBe(state);
  }
  expect(fixture.events.slice(-3).map(({ action, by }) => [action, by])).toEqual([
    ["pause", "person"],
    ["resume", "person"],
    ["revoke", "person"],
  ]);
  const again = await post(url, { action: "resume", form_token }, { cookie });
  expect(again.response.status).toBe(409);
  expect(again.html).toContain(wording("en").errors.transition);
});

test("another person's consent is not found, and cannot be changed", async () => {
  await using fixture = await openFixture();
  const id = await approved(fixture);
  const stranger = fixture.service.sessions;
  // A session of somebody else, made by the same authority.
  const value = fixture.options.atRest
    .seal(
      "person.session",
      JSON.stringify({ contactIndex: "other", subjectTag: "", expiresAt: Date.now() + 60_000 }),
    )
    .toString("base64url");
  const cookie = `wjf_person=${value}`;
  const url = `${fixture.origin}/consents/${id}`;
  expect((await openPage(url, { headers: { cookie } })).response.status).toBe(404);
  const form_token = stranger.formToken(value);
  const { response } = await post(url, { action: "revoke", form_token }, { cookie });
  expect(response.status).toBe(404);
  expect((await readConsent(fixture.db, fixture.options.atRest, id)).state).toBe("ACTIVE");
});

test("without a session, with a made-up one, or without the form's token: nothing", async () => {
  await using fixture = await openFixture();
  const id = await approved(fixture);
  const url = `${fixture.origin}/consents/${id}`;
  expect((await openPage(url)).html).toContain(wording("zh-CN").signInTitle);
  const forged = { cookie: `wjf_person=${Buffer.alloc(120).toString("base64url")}` };
  expect((await post(url, { action: "revoke" }, forged)).response.status).toBe(422);
  const cookie = await signIn(fixture);
  const { response } = await post(url, { action: "revoke", form_token: "guessed" }, { cookie });
  expect(response.status).toBe(400);
  expect((await readConsent(fixture.db, fixture.options.atRest, id)).state).toBe("ACTIVE");
});

test("signing in looks the same for a phone that is not known, and sends it nothing", async () => {
  await using fixture = await openFixture();
  await approved(fixture);
  const strip = (html: string) => html.replace(ticketOf(html), "");
  const known = await post(`${fixture.origin}/consents/session`, { phone: PHONE });
  await signInCode(fixture);
  const sent = fixture.outbox.length;
  const unknown = await post(`${fixture.origin}/consents/session`, { phone: "13900000000" });
  expect(strip(unknown.html)).toBe(strip(known.html));
  expect(ticketOf(unknown.html)).toHaveLength(ticketOf(known.html).length);
  const guess = { ticket: ticketOf(unknown.html), code: "123456" };
  expect((await post(`${fixture.origin}/consents/session`, guess)).response.status).toBe(422);
  expect(fixture.outbox).toHaveLength(sent);
  const malformed = await post(`${fixture.origin}/consents/session`, { phone: "12" });
  expect(malformed.html).toContain(wording("zh-CN").errors["phone-wrong"]);
});

test("where to go after signing in is only ever one of our own pages", async () => {
  await using fixture = await openFixture();
  await approved(fixture);
  const { html } = await post(`${fixture.origin}/consents/session`, { phone: PHONE });
  const code = await signInCode(fixture);
  const next = "https://evil.example/consents/x";
  const form = { ticket: ticketOf(html), code, next };
  const { response } = await post(`${fixture.origin}/consents/session`, form);
  expect(response.headers.get("location")).toBe("/consents?lang=zh-CN");
});
