// Questions that the gateway carries to the authority: a failure is more than one at a time of a job, or so many of all jobs that the
// rest of what the gateway asks of the authority has to wait.
import { expect, test } from "vitest";
import { Questions } from "../../gateway/training/questions.ts";

const OVERLOADED = { code: "overloaded" };
const body = (text: string): Buffer => Buffer.from(text);

test("one question per job: the same bytes join it, others wait until it is answered", async () => {
  const questions = new Questions();
  const asked: string[] = [];
  const told = Promise.withResolvers<string>();
  const ask = (name: string, answer: Promise<string>) => async () => {
    asked.push(name);
    return await answer;
  };
  const first = questions.ask("job", body("a"), ask("first", told.promise));
  const again = questions.ask("job", body("a"), ask("again", told.promise));
  await expect(questions.ask("job", body("b"), ask("other", told.promise))).rejects.toMatchObject(
    OVERLOADED,
  );
  told.resolve("told");
  expect(await Promise.all([first, again])).toEqual(["told", "told"]);
  const failing = questions.ask("job", body("b"), ask("next", Promise.reject(new Error("away"))));
  await expect(failing).rejects.toThrow("away");
  const after = questions.ask("job", body("c"), ask("last", Promise.resolve("well")));
  expect(await after).toBe("well");
  expect(asked).toEqual(["first", "next", "last"]);
});

test("sixteen in all", async () => {
  const questions = new Questions();
  const told = Promise.withResolvers<string>();
  const ask = (i: number) => questions.ask(`job ${i}`, body("a"), () => told.promise);
  const running = Array.from({ length: 16 }, (_, i) => ask(i));
  await expect(ask(16)).rejects.toMatchObject(OVERLOADED);
  told.resolve("told");
  await Promise.all(running);
  expect(await ask(16)).toBe("told");
});
