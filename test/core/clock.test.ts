// Which day it is, by the clock that the provinces' tables are written by.
import { expect, test } from "vitest";
import { ManualClock, shanghaiDay } from "../../core/clock.ts";

test.each([
  ["2026-11-28T06:17:00+08:00", "2026-11-28"],
  ["2026-11-28T00:00:00+08:00", "2026-11-28"],
  ["2026-11-27T23:59:59.999+08:00", "2026-11-27"],
  ["2026-12-31T16:00:00Z", "2027-01-01"],
])("at %s it is %s in Shanghai", (time, day) => {
  expect(shanghaiDay(new ManualClock(Date.parse(time)))).toBe(day);
});
