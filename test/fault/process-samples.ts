// What the processes of a federation hold, from proc(5), over time: resident memory and open descriptors. Linux only.
import { readdirSync, readFileSync } from "node:fs";
import { median } from "../../bench/statistics.ts";

export interface Sample {
  /** Since the first. */
  readonly seconds: number;
  readonly rssMib: number;
  readonly descriptors: number;
}

export interface Growth {
  readonly name: string;
  /** Medians of the first window and of the last. */
  readonly rssMib: readonly [number, number];
  readonly descriptors: readonly [number, number];
}

/** @throws Error when there is no such process. */
export function sample(pid: number): Omit<Sample, "seconds"> {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    rssMib: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export interface Window {
  readonly fromS: number;
  readonly toS: number;
}

export function growth(
  name: string,
  samples: readonly Sample[],
  windows: readonly [Window, Window],
): Growth {
  const medians = (value: (one: Sample) => number): readonly [number, number] => {
    const [first, last] = windows.map(({ fromS, toS }) =>
      median(samples.filter(({ seconds }) => seconds >= fromS && seconds < toS).map(value)),
    );
    return [first as number, last as number];
  };
  return {
    name,
    rssMib: medians(({ rssMib }) => rssMib),
    descriptors: medians(({ descriptors }) => descriptors),
  };
}
