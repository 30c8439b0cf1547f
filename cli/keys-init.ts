// `wjf keys init`: the development ceremony by itself, for parties that are started one by one (containers).
import { systemClock } from "../core/clock.ts";
import { nodePort, readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { PROVINCES } from "../core/provinces.ts";
import { isCeremonyDone, performCeremony } from "./ceremony.ts";
import type { Output } from "./output.ts";

export interface CeremonyArguments {
  readonly provinces?: string;
  readonly nodeHost: string;
}

/** Does nothing where it has been done: keys are never overwritten. */
export async function keysInit(output: Output, options: CeremonyArguments): Promise<void> {
  const settings = readSettings();
  if (settings.production) {
    throw new WjfError("config-invalid", "the development ceremony is refused in production");
  }
  const wanted = options.provinces?.split(",");
  const provinces = PROVINCES.filter(({ code }) => wanted?.includes(code) ?? true);
  const done = isCeremonyDone(settings.home);
  if (!done) {
    await performCeremony({
      settings,
      provinces,
      endpoint: ({ code }) => `${options.nodeHost.replace("%s", code)}:${nodePort(settings, code)}`,
      nowMs: systemClock.nowMs(),
    });
  }
  output.line(
    done ? `Keys are there already in ${settings.home}` : `Keys made in ${settings.home}`,
  );
  output.result({ home: settings.home, made: !done, provinces: provinces.map(({ code }) => code) });
}
