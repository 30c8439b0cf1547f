// Social circle (CATALOGUE §3, 社交人脉) from raw rows: calls and messages, with whom, and who among them is listed.
import { distinct, type NumberHistory, maxOf, roundedShare, sumOf } from "../number-history.ts";
import type { RowOf } from "../raw-rows.ts";
import { ifAny, type Reading, type Readings, unitsOf } from "./indicator-value.ts";

type Call = RowOf<"call">;
type Message = RowOf<"message">;

function calls(days: number, n: (rows: readonly Call[]) => number | null, before = 0): Reading {
  return (history) => n(history.lastDays(history.all("call"), days, before));
}

const peers = (rows: readonly { readonly peer: string }[]): number =>
  distinct(rows.map(({ peer }) => peer));
const outgoing = (rows: readonly Call[]): Call[] => rows.filter(({ out }) => out);
const incoming = (rows: readonly Call[]): Call[] => rows.filter(({ out }) => !out);

/** How often each party was spoken to, and in which direction. */
function parties(rows: readonly Call[]): { all: number; out: number; in: number }[] {
  return [...Map.groupBy(rows, ({ peer }) => peer).values()].map((own) => ({
    all: own.length,
    out: outgoing(own).length,
    in: incoming(own).length,
  }));
}

function messages(n: (rows: readonly Message[]) => number): Reading {
  return (history) => n(history.lastDays(history.all("message"), 30));
}

const withPeople = (rows: readonly Message[]): Message[] =>
  rows.filter(({ category }) => category === "person");

function contactsListed(days: number, isListed: (list: string) => boolean): Reading {
  return (history) =>
    peers(
      history
        .lastDays(history.all("call"), days)
        .filter(({ peer }) => history.riskLists(peer).some(isListed)),
    );
}

function collectionCalls(days: number): Reading {
  return (history) =>
    incoming(history.lastDays(history.all("call"), days)).filter(({ peer }) =>
      history.riskLists(peer).includes("collection"),
    ).length;
}

/** Days of the last so many with a call, a message sent, or an app. */
function activeDays(history: NumberHistory, days: number): number[] {
  const sent = history.all("message").filter(({ out }) => out);
  const rows = [...history.all("call"), ...sent, ...history.all("app_day")];
  return history.lastDays<{ readonly day: number }>(rows, days).map(({ day }) => day);
}

export const SOCIAL: Readings = {
  "net.circle_30d": calls(30, peers),
  "net.circle_90d": calls(90, peers),
  "net.circle_prev_30d": calls(30, peers, 30),
  "net.calls_out_30d": calls(30, (rows) => outgoing(rows).length),
  "net.calls_in_30d": calls(30, (rows) => incoming(rows).length),
  "net.calls_out_prev_30d": calls(30, (rows) => outgoing(rows).length, 30),
  "net.call_minutes_30d": calls(30, (rows) =>
    unitsOf(roundedShare(10 * sumOf(rows.map(({ seconds }) => seconds)), 60), 10),
  ),
  "net.call_seconds_avg_30d": calls(30, (rows) =>
    unitsOf(roundedShare(10 * sumOf(rows.map(({ seconds }) => seconds)), rows.length), 10),
  ),
  "net.call_days_30d": calls(30, (rows) => distinct(rows.map(({ day }) => day))),
  "net.night_calls_30d": calls(
    30,
    (rows) => rows.filter(({ at, day }) => at - day * 86_400 < 6 * 3600).length,
  ),
  "net.days_since_out_call": (history) =>
    history.daysSince(outgoing(history.all("call")).map(({ day }) => day)) ?? null,
  "net.forwarded_calls_7d": calls(7, (rows) => rows.filter(({ forwarded }) => forwarded).length),
  "net.forwarded_share_7d": calls(7, (rows) => {
    const received = incoming(rows);
    return roundedShare(
      100 * received.filter(({ forwarded }) => forwarded).length,
      received.length,
    );
  }),
  "net.mutual_contacts_90d": calls(
    90,
    (rows) => parties(rows).filter((party) => party.out > 0 && party.in > 0).length,
  ),
  "net.top_contact_share_90d": calls(90, (rows) =>
    ifAny(parties(rows), (all) => roundedShare(100 * maxOf(all.map((p) => p.all)), rows.length)),
  ),
  "net.steady_contacts_90d": calls(
    90,
    (rows) => parties(rows).filter((party) => party.all >= 5).length,
  ),
  "net.strangers_out_30d": calls(
    30,
    (rows) => parties(rows).filter((p) => p.in === 0 && p.out >= 1 && p.out <= 2).length,
  ),
  "net.new_contacts_30d": (history) => {
    const rows = history.all("call");
    const known = new Set(history.lastDays(rows, 150, 30).map(({ peer }) => peer));
    return peers(history.lastDays(rows, 30).filter(({ peer }) => !known.has(peer)));
  },
  "net.messages_out_30d": messages((rows) => rows.filter(({ out }) => out).length),
  "net.messages_in_30d": messages((rows) => rows.filter(({ out }) => !out).length),
  "net.person_messages_30d": messages((rows) => withPeople(rows).length),
  "net.message_peers_30d": messages((rows) => peers(withPeople(rows))),
  "net.risk_contacts_90d": contactsListed(90, (list) => list !== "recycled"),
  "net.fraud_contacts_90d": contactsListed(90, (list) => list === "fraud"),
  "net.collection_calls_30d": collectionCalls(30),
  "net.collection_calls_90d": collectionCalls(90),
  "net.active_days_30d": (history) => distinct(activeDays(history, 30)),
  "net.days_since_active": (history) => history.daysSince(activeDays(history, 120)) ?? 9999,
  "net.out_share": (_, other) => {
    const out = other("net.calls_out_30d") ?? 0;
    return roundedShare(100 * out, out + (other("net.calls_in_30d") ?? 0));
  },
  "net.stranger_share": (_, other) =>
    roundedShare(100 * (other("net.strangers_out_30d") ?? 0), other("net.circle_30d") ?? 0),
  "net.mutual_share": (_, other) =>
    roundedShare(100 * (other("net.mutual_contacts_90d") ?? 0), other("net.circle_90d") ?? 0),
};
