// Where a problem's `type` points, there is something to read.
import { expect, test } from "vitest";
import { ERRORS } from "../../core/errors.ts";
import { errorsPage } from "../../core/errors-page.ts";

test("has a place for every code", () => {
  const page = errorsPage();
  const places = [...page.matchAll(/<h2 id="([^"]+)">/g)].map(([, code]) => code);
  expect(places).toEqual(Object.keys(ERRORS));
  expect(page).not.toMatch(/undefined|\[object/);
});
