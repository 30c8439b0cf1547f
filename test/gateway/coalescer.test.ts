// What waits together travels together, in turn, within its limits; whatever happens to a fan-out, every question gets
// exactly one outcome and nothing stays behind.
import { setImmediate } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WjfError } from "../../core/errors.ts";
import { Coalescer, type CoalescerLimits, DEFAULT_LIMITS } from "../../gateway/coalescer.ts";
import type { PendingQuery } from "../../gateway/pending-query.ts";
import type { ReleaseOutcome } from "../../proto/index.ts";
import { pending } from "./pending-queries.ts";

/** A dispatcher whose fan-outs end when, and as, the test says. */
class HeldDispatch {
  readonly groups: (readonly PendingQuery[])[] = [];
  readonly #held: PromiseWithResolvers<readonly ReleaseOutcome[]>[] = [];

  readonly dispatch = (group: readonly PendingQuery[]): Promise<readonly ReleaseOutcome[]> => {
    this.groups.push(group);
    const held = Promise.withResolvers<readonly ReleaseOutcome[]>();
    this.#held.push(held);
    return held.promise;
  };

  /** Ends the oldest fan-out that is under way with an answer to each of its questions. */
  async answer(outcomesOf = answersTo): Promise<void> {
    const index = this.groups.length - this.#held.length;
    this.#held.shift()?.resolve(outcomesOf(this.groups[index] ?? []));
    await setImmediate();
  }

  async fail(error: unknown): Promise<void> {
    this.#held.shift()?.reject(error);
    await setImmediate();
  }

  get underWay(): number {
    return this.#held.length;
  }

  clients(group: number): string[] {
    return (this.groups[group] ?? []).map(({ clientId }) => clientId);
  }
}

function answersTo(group: readonly PendingQuery[]): ReleaseOutcome[] {
  return group.map(({ item }) => ({ result: "answer", answer: item.query_id }));
}

/** No institution's share unless the test is about it. */
const LIMITS: CoalescerLimits = { ...DEFAULT_LIMITS, waitingFanOuts: 1000 };

/** Every id but these is an institution's. */
const isMadeUp = (clientId: string): boolean => clientId.startsWith("made up");

function start(limits: Partial<CoalescerLimits> = {}) {
  const held = new HeldDispatch();
  const coalescer = new Coalescer(
    held.dispatch,
    { ...LIMITS, ...limits },
    (clientId) => !isMadeUp(clientId),
  );
  /** Submits without waiting; a failure is looked at by the test or not at all. */
  const submit = (query: PendingQuery): Promise<ReleaseOutcome> => {
    const outcome = coalescer.submit(query);
    outcome.catch(() => undefined);
    return outcome;
  };
  return { held, coalescer, submit };
}

const refusal = (code: string) => expect.objectContaining({ code });

test("when idle nothing waits; what comes while fan-outs are under way travels together", async () => {
  const { held, coalescer, submit } = start({ inFlight: 1 });
  const first = submit(pending());
  expect(held.groups.map((group) => group.length)).toEqual([1]);
  const rest = Array.from({ length: 20 }, () => submit(pending()));
  expect(coalescer).toMatchObject({ waiting: 20, inFlight: 1 });
  await held.answer();
  expect(held.groups.map((group) => group.length)).toEqual([1, 20]);
  await held.answer();
  expect(await Promise.all([first, ...rest])).toHaveLength(21);
  expect(coalescer).toMatchObject({ waiting: 0, inFlight: 0 });
});

test("everybody gets the outcome of the own question", async () => {
  const { held, submit } = start({ inFlight: 1 });
  const queries = Array.from({ length: 30 }, (_, i) => pending({ client: `c${i % 4}` }));
  const outcomes = queries.map(submit);
  while (held.underWay > 0) await held.answer();
  for (const [i, outcome] of outcomes.entries()) {
    expect(await outcome).toEqual({ result: "answer", answer: queries[i]?.item.query_id });
  }
});

describe("fairness", () => {
  test("institutions take turns: one with a thousand questions does not hold up one with two", async () => {
    const { held, submit } = start({ inFlight: 1, groupItems: 4 });
    void submit(pending({ client: "first" }));
    for (let i = 0; i < 1000; i++) void submit(pending({ client: "greedy" }));
    for (let i = 0; i < 2; i++) void submit(pending({ client: "modest" }));
    void submit(pending({ client: "single" }));
    await held.answer();
    expect(held.clients(1)).toEqual(["greedy", "modest", "single", "greedy"]);
    await held.answer();
    expect(held.clients(2)).toEqual(["modest", "greedy", "greedy", "greedy"]);
  });

  test("one institution's questions keep their order", async () => {
    const { held, submit } = start({ inFlight: 1, groupItems: 3 });
    const queries = Array.from({ length: 10 }, () => pending());
    for (const query of queries) void submit(query);
    while (held.underWay > 0) await held.answer();
    expect(held.groups.flat()).toEqual(queries);
  });
});

describe("limits", () => {
  test("never more fan-outs under way, questions in one, or slots in one than allowed", async () => {
    const wish = fc.record({
      client: fc.constantFrom("a", "b", "c"),
      width: fc.integer({ min: 1, max: 700 }),
    });
    const limits = fc.record({
      inFlight: fc.integer({ min: 1, max: 3 }),
      waiting: fc.constant(1000),
      groupItems: fc.integer({ min: 1, max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { maxLength: 60 }), limits, async (wishes, allowed) => {
        const { held, submit, coalescer } = start(allowed);
        const outcomes = wishes.map((each) => submit(pending(each)));
        let most = held.underWay;
        while (held.underWay > 0) {
          await held.answer();
          most = Math.max(most, held.underWay);
        }
        await Promise.all(outcomes);
        expect(most).toBeLessThanOrEqual(allowed.inFlight);
        for (const group of held.groups) {
          expect(group.length).toBeGreaterThan(0);
          expect(group.length).toBeLessThanOrEqual(allowed.groupItems);
          const slots = group.reduce((sum, { item }) => sum + item.slot_width, 0);
          expect(slots).toBeLessThanOrEqual(2047);
        }
        expect(held.groups.flat()).toHaveLength(wishes.length);
        expect(coalescer).toMatchObject({ waiting: 0, inFlight: 0 });
      }),
      { numRuns: 50 },
    );
  });

  test("a ciphertext is filled to its last slot, and what does not fit travels next", async () => {
    const { held, submit } = start({ inFlight: 1 });
    void submit(pending());
    for (const width of [2000, 47, 1]) void submit(pending({ width }));
    await held.answer();
    await held.answer();
    expect(held.groups.slice(1).map((group) => group.map(({ item }) => item.slot_width))).toEqual([
      [2000, 47],
      [1],
    ]);
  });

  test("what would wait beyond the limit is refused at once, and room comes back", async () => {
    const { held, submit } = start({ inFlight: 1, waiting: 3, groupItems: 2 });
    void submit(pending());
    for (let i = 0; i < 3; i++) void submit(pending());
    await expect(submit(pending())).rejects.toEqual(refusal("overloaded"));
    await held.answer();
    void submit(pending());
    await held.answer();
    await held.answer();
    expect(held.groups.map((group) => group.length)).toEqual([1, 2, 2]);
  });

  /** How many of so many questions are taken. */
  async function taken(submit: (query: PendingQuery) => Promise<unknown>, queries: PendingQuery[]) {
    const outcomes = queries.map((query) => submit(query).then(() => "", String));
    const soon = setImmediate("taken");
    const told = await Promise.all(outcomes.map((outcome) => Promise.race([outcome, soon])));
    return told.filter((what) => what === "taken").length;
  }

  const scores = (count: number, client: string): PendingQuery[] =>
    Array.from({ length: count }, () => pending({ client, width: 11 }));

  test("what waits of one institution fills two fan-outs, by slots or by questions, and no more", async () => {
    const limits = { inFlight: 0, waitingFanOuts: 2 };
    const wide = start(limits);
    // 2 × 2,047 slots, 11 each; the last one may stand out.
    expect(await taken(wide.submit, scores(1000, "greedy"))).toBe(373);
    const few = start({ ...limits, groupItems: 10 });
    expect(await taken(few.submit, scores(1000, "greedy"))).toBe(20);
  });

  test("who comes later finds room, whatever another has waiting; then each has its share", async () => {
    const { held, coalescer, submit } = start({ inFlight: 1, waitingFanOuts: 2, groupItems: 10 });
    void submit(pending({ client: "first" }));
    expect(await taken(submit, scores(100, "greedy"))).toBe(20);
    expect(await taken(submit, scores(100, "modest"))).toBe(10);
    expect(await taken(submit, scores(100, "third"))).toBe(7);
    await held.answer();
    expect(held.clients(1).toSorted()).toEqual([
      ...Array<string>(4).fill("greedy"),
      ...Array<string>(3).fill("modest"),
      ...Array<string>(3).fill("third"),
    ]);
    // 16, 7 and 4 wait; of 20 each has a third.
    for (const client of ["greedy", "modest"]) {
      expect(() => coalescer.requireRoom(client)).toThrow(refusal("overloaded"));
    }
    expect(await taken(submit, scores(100, "third"))).toBe(3);
    while (held.underWay > 0) await held.answer();
    expect(() => coalescer.requireRoom("greedy")).not.toThrow();
  });

  /** Has an institution ask until it is refused. */
  function fill({ coalescer, submit }: ReturnType<typeof start>, client: string, width = 3) {
    for (let taken = 0; ; taken++) {
      try {
        coalescer.requireRoom(client);
      } catch (error) {
        expect(error).toEqual(refusal("overloaded"));
        return taken;
      }
      void submit(pending({ client, width }));
    }
  }

  test.each([
    { flooders: 1, width: 3, each: 1024 },
    { flooders: 10, width: 11, each: 38 },
  ])("$flooders flooders of $width slots keep nobody else out", ({ flooders, width, each }) => {
    const gateway = start({ ...DEFAULT_LIMITS, inFlight: 0 });
    const taken = Array.from({ length: flooders }, (_, i) => fill(gateway, `flooder ${i}`, width));
    expect(taken.at(-1)).toBe(each);
    expect(gateway.coalescer.waiting).toBeGreaterThanOrEqual(1024);
    expect(fill(gateway, "modest", width)).toBe(
      Math.ceil(4094 / (flooders + 1) / Math.max(width, 4)),
    );
  });

  test("beyond the bound that all share there is room for one question of each", () => {
    const gateway = start({ ...DEFAULT_LIMITS, inFlight: 0, waiting: 60, groupItems: 20 });
    for (let i = 0; gateway.coalescer.waiting < 60; i++) fill(gateway, `flooder ${i}`);
    expect(fill(gateway, "modest")).toBe(1);
    expect(fill(gateway, "another")).toBe(1);
  });

  test("while ten flood for long, who asks now and then is never refused", async () => {
    const gateway = start(DEFAULT_LIMITS);
    for (let fanOut = 0; fanOut < 20; fanOut++) {
      for (let i = 0; i < 10; i++) fill(gateway, `flooder ${i}`, 11);
      for (let i = 0; i < 3; i++) {
        expect(() => gateway.coalescer.requireRoom("modest")).not.toThrow();
        void gateway.submit(pending({ client: "modest", width: 11 }));
      }
      await gateway.held.answer();
    }
    // Eleven shares of two fan-outs, and the question of each that may stand out.
    expect(gateway.coalescer.waiting).toBeLessThan(373 + 11);
  });

  test("a question that is being verified takes room, of whom it claims to be and of nobody else", async () => {
    const { coalescer, submit } = start({ inFlight: 0, waitingFanOuts: 2, groupItems: 2 });
    void submit(pending({ client: "greedy" }));
    const held = Array.from({ length: 3 }, () => coalescer.holdRoom("greedy"));
    expect(() => coalescer.holdRoom("greedy")).toThrow(refusal("overloaded"));
    await expect(submit(pending({ client: "greedy" }))).rejects.toEqual(refusal("overloaded"));
    void submit(pending({ client: "modest" }));
    held.pop()?.[Symbol.dispose]();
    // There are two of them now: two questions are the share of each.
    expect(() => coalescer.requireRoom("greedy")).toThrow(refusal("overloaded"));
    held.pop()?.[Symbol.dispose]();
    held.pop()?.[Symbol.dispose]();
    expect(() => coalescer.requireRoom("greedy")).not.toThrow();
    expect(coalescer.waiting).toBe(2);
  });

  test("before it is read a question counts as much as those that travelled last", async () => {
    const { held, coalescer, submit } = start({ inFlight: 1, waitingFanOuts: 1 });
    void submit(pending({ width: 1000 }));
    void submit(pending({ width: 10 }));
    const room = [
      coalescer.holdRoom("bank"),
      coalescer.holdRoom("bank"),
      coalescer.holdRoom("bank"),
    ];
    expect(() => coalescer.holdRoom("bank")).toThrow(refusal("overloaded"));
    for (const one of room) one[Symbol.dispose]();
    await held.answer();
    void submit(pending({ width: 10 }));
    for (let i = 0; i < 4; i++) coalescer.holdRoom("bank");
    expect(() => coalescer.requireRoom("bank")).not.toThrow();
  });

  test("when nothing waits it counts least: a wide one before is no reason to refuse narrow ones", async () => {
    const { held, coalescer, submit } = start(DEFAULT_LIMITS);
    void submit(pending({ width: 90 }));
    await held.answer();
    for (let i = 0; i < 1023; i++) coalescer.holdRoom("bank");
    coalescer.holdRoom("bank");
    expect(() => coalescer.holdRoom("bank")).toThrow(refusal("overloaded"));
  });

  test("ids that no institution has count as one, and against nobody: who never asked finds its whole share", () => {
    const { coalescer, submit } = start(DEFAULT_LIMITS);
    for (const client of ["first", "second", "bank"]) void submit(pending({ client }));
    let held = 0;
    const hold = () => {
      for (; held < 5000; held++) coalescer.holdRoom(`made up ${held}`);
    };
    expect(hold).toThrow(refusal("overloaded"));
    // "bank" waits: two shares of two fan-outs.
    expect(held).toBe(512);
    expect(() => coalescer.requireRoom("made up too")).toThrow(refusal("overloaded"));
    // As many as if nobody had made anything up.
    for (let i = 0; i < 512; i++) coalescer.holdRoom("never seen");
    expect(() => coalescer.holdRoom("never seen")).toThrow(refusal("overloaded"));
    for (const client of ["first", "bank"]) {
      expect(() => coalescer.holdRoom(client)).not.toThrow();
    }
  });

  test("an institution is told from strangers as soon as it is registered, and room is given back to whom it was taken from", () => {
    const held = new HeldDispatch();
    const limits = { ...DEFAULT_LIMITS, inFlight: 0, waitingFanOuts: 1, groupItems: 1 };
    const registered = new Set<string>();
    const coalescer = new Coalescer(held.dispatch, limits, (id) => registered.has(id));
    const room = coalescer.holdRoom("new bank");
    expect(() => coalescer.holdRoom("other")).toThrow(refusal("overloaded"));
    registered.add("new bank");
    using _own = coalescer.holdRoom("new bank");
    expect(() => coalescer.holdRoom("other")).toThrow(refusal("overloaded"));
    room[Symbol.dispose]();
    expect(() => coalescer.holdRoom("other")).not.toThrow();
  });

  test("a refused question leaves nothing behind: the same id may come again", async () => {
    const { held, submit } = start({ inFlight: 0, waiting: 1 });
    void submit(pending());
    const query = pending();
    await expect(submit(query)).rejects.toEqual(refusal("overloaded"));
    const roomy = start();
    const outcome = roomy.submit(query);
    await roomy.held.answer();
    expect(await outcome).toMatchObject({ result: "answer" });
    expect(held.groups).toEqual([]);
  });
});

describe("one query id", () => {
  const id = "0b8f1d5e-4c1d-4a53-9d0a-6f1f6a2c9f10";

  test("the same question again joins the one under way: one fan-out, two answers", async () => {
    const { held, submit } = start();
    const outcomes = [submit(pending({ id })), submit(pending({ id }))];
    expect(held.groups).toHaveLength(1);
    await held.answer();
    const [one, two] = await Promise.all(outcomes);
    expect(one).toEqual(two);
  });

  test("also while it still waits", async () => {
    const { held, coalescer, submit } = start({ inFlight: 1 });
    void submit(pending());
    const outcomes = [submit(pending({ id })), submit(pending({ id }))];
    expect(coalescer.waiting).toBe(1);
    await held.answer();
    await held.answer();
    expect(await Promise.all(outcomes)).toHaveLength(2);
    expect(held.groups.map((group) => group.length)).toEqual([1, 1]);
  });

  test.each([
    ["institution", { client: "other" }],
    ["product", { product: "other@1" }],
    ["claims", { claims: "other" }],
    ["token", { token: "other" }],
    ["form of the answer", { sealed: true }],
  ])("another %s under the same id is a conflict, and the first is answered", async (_w, other) => {
    const { held, submit } = start();
    const first = submit(pending({ id }));
    await expect(submit(pending({ id, ...other }))).rejects.toEqual(refusal("query-conflict"));
    await held.answer();
    expect(await first).toEqual({ result: "answer", answer: id });
  });

  test("once answered, or failed, it may be asked again: the authority remembers, not the gateway", async () => {
    const { held, submit } = start();
    const first = submit(pending({ id }));
    await held.answer();
    await first;
    const second = submit(pending({ id }));
    await held.fail(new WjfError("coverage-incomplete"));
    await expect(second).rejects.toEqual(refusal("coverage-incomplete"));
    const third = submit(pending({ id }));
    await held.answer();
    expect(await third).toMatchObject({ result: "answer" });
    expect(held.groups).toHaveLength(3);
  });
});

describe("failure", () => {
  test("of a fan-out is the failure of its questions, and of no others", async () => {
    const { held, coalescer, submit } = start({ inFlight: 1, groupItems: 2 });
    const outcomes = Array.from({ length: 3 }, () => submit(pending()));
    await held.answer();
    await held.fail(new WjfError("deadline-exceeded"));
    const settled = await Promise.allSettled(outcomes);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(coalescer).toMatchObject({ waiting: 0, inFlight: 0 });
  });

  test("a dispatcher that throws, or answers too few, is a fault and not a hang", async () => {
    const throwing = new Coalescer(() => {
      throw new WjfError("federation-unavailable");
    });
    await expect(throwing.submit(pending())).rejects.toEqual(refusal("federation-unavailable"));
    const { held, submit } = start({ inFlight: 1 });
    void submit(pending());
    const outcomes = [submit(pending()), submit(pending())];
    await held.answer();
    await held.answer((group) => answersTo(group).slice(0, 1));
    const settled = await Promise.allSettled(outcomes);
    expect(settled).toEqual([
      expect.objectContaining({ status: "fulfilled" }),
      { status: "rejected", reason: refusal("internal") },
    ]);
  });
});
