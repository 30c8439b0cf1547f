// The one wall clock of a federation in one process, moved on: everything in the product reads it through core/clock.ts.
import { vi } from "vitest";

const real = Date.now.bind(Date);
let aheadMs = 0;

export function useMovingClock(): void {
  aheadMs = 0;
  vi.spyOn(Date, "now").mockImplementation(() => real() + aheadMs);
}

export function moveOn(ms: number): void {
  aheadMs += ms;
}
