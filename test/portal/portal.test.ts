// The person's portal over a whole federation: a bank asks three things about somebody, who then signs in by SMS code, sees
// who asked and why, objects, takes all of it home, withdraws a consent, and is looked at by nobody else.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ObtainedConsent } from "../../cli/consent-flow.ts";
import { readInstitutionKeys, registerDemoInstitution } from "../../cli/demo-institution.ts";
import { Institution } from "../../cli/institution.ts";
import { portalWording } from "../../consent/portal/portal-wording.ts";
import { type Leaf, showLeaves } from "../../consent/log/index.ts";
import { openPage, post } from "../consent/approval-browser.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { hidden, SignedIn } from "./signed-in.ts";

const words = portalWording("en");
const SCORES = ["credit-score@1", "personal-score@1"];

let federation: Federation;
let bank: Institution;
let scoring: ObtainedConsent;
let phone: string;
let cookie: string;
let personalQuery: string;

beforeAll(async () => {
  federation = await startFederation({ provinces: 3, peoplePerProvince: 6 });
  const { settings, truth } = federation;
  await registerDemoInstitution(settings);
  bank = new Institution(settings, readInstitutionKeys(settings.home));
  phone = truth[1]?.numbers[0]?.msisdn as string;
  scoring = await consentOf(phone, SCORES);
  await bank.ask(scoring, "credit-score@1");
  personalQuery = (await bank.ask(scoring, "personal-score@1")).reply.query_id;
  const someoneElse = await consentOf(truth[2]?.numbers[0]?.msisdn as string, SCORES);
  await bank.ask(someoneElse, "credit-score@1");
  cookie = await signIn(phone);
}, 240_000);
afterAll(() => federation[Symbol.asyncDispose]());

function consentOf(value: string, products: readonly string[]): Promise<ObtainedConsent> {
  return bank.consent({
    subject: { kind: "msisdn", value },
    products,
    purpose: "dpv:CreditChecking",
    result: "score",
    maxUses: 10,
    sandboxApproves: true,
  });
}

function at(path: string): string {
  return `${federation.authority.url}${path}`;
}

function open(path: string, as = cookie) {
  return openPage(at(path), { headers: { cookie: as } });
}

async function signIn(msisdn: string): Promise<string> {
  const person = await SignedIn.as(federation, msisdn, "/portal/queries");
  expect(person.location).toMatch(/^\/portal\/queries\?/);
  return person.cookie;
}

async function leaves(type: Leaf["type"]): Promise<Leaf[]> {
  const found: Leaf[] = [];
  for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
    if (leaf.type === type) found.push(leaf);
  }
  return found;
}

async function wjf(...args: string[]): Promise<Record<string, unknown>> {
  const { home, authorityPort } = federation.settings;
  const env = { ...process.env, WJF_HOME: home, WJF_AUTHORITY_PORT: String(authorityPort) };
  const { stdout } = await promisify(execFile)(process.execPath, ["cli/main.ts", ...args], { env });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("who asked about me: every answer, by whom, when, why, what kind; nothing of anybody else's", async () => {
  const { html } = await open("/portal/queries?lang=en");
  expect([...html.matchAll(/\/portal\/queries\/[0-9a-f-]{36}/g)]).toHaveLength(2);
  for (const text of ["示例银行 Demo Bank", "Credit score", "Personal score", words.kinds.score]) {
    expect(html).toContain(text);
  }
  expect(html).toContain("to assess your credit standing");
  const detail = await open(`/portal/queries/${personalQuery}?lang=en`);
  expect(detail.html).toContain("personal-score@1");
  expect(detail.html).toContain("3 / 3");
  expect((await open("/portal/queries?lang=zh-CN")).html).toContain("谁查询过我");
});

test("without a session every page asks to sign in; another person finds nothing of mine", async () => {
  for (const path of ["/portal", "/portal/queries", "/portal/objections", "/portal/export"]) {
    const { html } = await open(`${path}?lang=en`, "");
    expect(html, path).toContain("Sign in");
    expect(html, path).not.toContain("Demo Bank");
  }
  const stranger = await signIn(federation.truth[2]?.numbers[0]?.msisdn as string);
  expect((await open(`/portal/queries/${personalQuery}`, stranger)).response.status).toBe(404);
  const own = await open(`/portal/queries`, stranger);
  expect([...own.html.matchAll(/\/portal\/queries\/[0-9a-f-]{36}/g)]).toHaveLength(1);
  const form_token = hidden((await open("/consents", stranger)).html, "form_token");
  const form = { form_token, statement: "not mine" };
  const filed = await post(at(`/portal/queries/${personalQuery}`), form, { cookie: stranger });
  expect(filed.response.status).toBe(404);
  expect(await leaves("objection")).toEqual([]);
});

test("my score: its seven dimensions as a radar and as a table, and what would raise it", async () => {
  const { html } = await open("/portal?lang=en");
  const { reply } = await bank.ask(scoring, "personal-score@1");
  expect(html).toContain(`<strong>${String(reply.answer["value"])}</strong>`);
  expect([...html.matchAll(/<text/g)]).toHaveLength(7);
  const dimensions = reply.answer["dimensions"] as Record<string, number>;
  expect([...html.matchAll(/<td>(\d+)%<\/td>/g)].map(([, share]) => Number(share))).toEqual(
    Object.values(dimensions),
  );
  expect(html).toContain("Fulfilment");
});

test("an objection is marked at once, in the log and in later answers; the operator resolves it", async () => {
  const path = `/portal/queries/${personalQuery}?lang=en`;
  const page = await open(path);
  const form_token = hidden(page.html, "form_token");
  const empty = await post(at(path), { form_token, statement: " " }, { cookie });
  expect(empty.response.status).toBe(422);
  const forged = await post(at(path), { form_token: "guessed", statement: "x" }, { cookie });
  expect(forged.response.status).toBe(400);
  const statement = '我从未欠费 <script>alert("1")</script>';
  const filed = await post(at(path), { form_token, statement, review: "yes" }, { cookie });
  expect(filed.response.status).toBe(303);
  const shown = (await open(path)).html;
  expect(shown).toContain("我从未欠费 &lt;script&gt;");
  expect(shown).toContain(words.due);
  expect(shown).toContain(words.reviewAsked);

  const marked = await bank.ask(scoring, "personal-score@1");
  expect(marked.reply).toMatchObject({ objection: "open" });
  expect((await bank.ask(scoring, "credit-score@1")).reply).not.toHaveProperty("objection");

  const listed = (await wjf("objection", "list", "--json")) as {
    objections: { id: string; query_id: string; filed: string; due: string; statement: string }[];
  };
  expect(listed.objections).toMatchObject([
    { query_id: personalQuery, statement, human_review: true },
  ]);
  const [{ id, filed: from, due } = { id: "", filed: "", due: "" }] = listed.objections;
  expect(Date.parse(due) - Date.parse(from)).toBe(20 * 86_400_000);
  const reply = "无法核实，已记录您的说明";
  const resolve = ["objection", "resolve", id, "record", "--reply", reply, "--json"];
  expect(await wjf(...resolve)).toMatchObject({ id, state: "RECORDED" });
  await expect(wjf(...resolve)).rejects.toThrow("objection-resolved");
  expect((await open("/portal/objections?lang=en")).html).toContain(reply);
  const after = await bank.ask(scoring, "personal-score@1");
  expect(after.reply).toMatchObject({ objection: "recorded" });
  const logged = await leaves("objection");
  expect(logged).toMatchObject([
    { event: "filed", query_id: personalQuery, client_id: "demo-bank" },
    { event: "recorded", query_id: personalQuery },
  ]);
  // The log commits to the person's words and does not have them.
  expect(JSON.stringify(logged)).not.toContain("欠费");
});

test("the export has every consent, answer and objection, and no phone number", async () => {
  const { response, html } = await open("/portal/export");
  expect(response.headers.get("content-disposition")).toContain("attachment");
  const all = JSON.parse(html) as Record<string, Record<string, unknown>[]>;
  expect(all["consents"]).toMatchObject([{ institution: "示例银行 Demo Bank", state: "ACTIVE" }]);
  expect(all["consents"]?.[0]?.["evidence"]).toBeTypeOf("object");
  const logged = await leaves("release");
  const mine = all["queries"]?.map((query) => query["query_id"]);
  const consentId = all["consents"]?.[0]?.["id"];
  const released = logged.filter((leaf) => "consent_id" in leaf && leaf.consent_id === consentId);
  const inLog = released.map((leaf) => ("query_id" in leaf ? leaf.query_id : undefined));
  expect(released.length).toBeGreaterThanOrEqual(2);
  // The export has the newest first, the log the oldest.
  expect(mine?.toReversed()).toEqual(inLog);
  expect(all["objections"]).toMatchObject([{ state: "RECORDED" }]);
  expect(html).not.toContain(phone.slice(-11));
});

test("a withdrawn consent allows nothing more", async () => {
  const [, id = ""] = /\/consents\/([A-Za-z0-9_-]{10,64})/.exec(
    (await open("/consents?lang=en")).html,
  ) ?? [undefined, ""];
  const page = await open(`/consents/${id}?lang=en`);
  const form = { action: "revoke", form_token: hidden(page.html, "form_token") };
  expect((await post(at(`/consents/${id}`), form, { cookie })).response.status).toBe(200);
  await expect(bank.ask(scoring, "credit-score@1")).rejects.toMatchObject({
    code: "consent-revoked",
  });
});
