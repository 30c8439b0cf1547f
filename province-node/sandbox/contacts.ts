// Who knows whom, and the calls and messages between two people. Everything about a pair follows from the pair's own
// keystream, so both ends (also in two provinces, generated at different times) write the two sides of one event.
import { Keystream } from "./keystream.ts";
import type { People, Person, SandboxNumber } from "./people.ts";

export const TRAFFIC_DAYS = 120;
const NEAR = [1, 2, 3];
const FAR = [7, 19, 41];
const PAIR_PURPOSE = 1;
const PAIR_SPACE = 2 ** 26;

export interface Contact {
  readonly person: Person;
  /** Expected events over the window. */
  readonly strength: number;
}

/** One event as both sides see it. */
export interface PairEvent {
  readonly day: number;
  readonly minute: number;
  readonly second: number;
  readonly from: SandboxNumber;
  readonly to: SandboxNumber;
  /** 0 for a message. */
  readonly durationS: number;
}

/** The symmetric circle of a person: neighbours by index at home, the same index in two other provinces' rings. */
export function contactsOf(people: People, person: Person): Contact[] {
  const n = people.perProvince;
  const found = new Map<number, Contact>();
  const add = (province: number, index: number, strength: number): void => {
    const id = province * PAIR_SPACE + index;
    const self = province === person.province && index === person.index;
    if (!self && !found.has(id))
      found.set(id, { person: people.person(province, index), strength });
  };
  for (const [step, strength] of [...NEAR.map((d) => [d, 36 / d]), ...FAR.map((d) => [d, 5])] as [
    number,
    number,
  ][]) {
    add(person.province, (person.index + step) % n, strength);
    add(person.province, (((person.index - step) % n) + n) % n, strength);
  }
  const ring = people.provinces;
  const here = ring.indexOf(person.province);
  if (ring.length > 1) {
    // The step depends on the index alone, which both ends share: the relation is symmetric.
    const step = 1 + ((person.index * 7) % (ring.length - 1));
    add(ring[(here + step) % ring.length] as number, person.index, 8);
    add(ring[(here - step + ring.length) % ring.length] as number, person.index, 8);
  }
  return [...found.values()];
}

function usable(number: SandboxNumber, daysAgo: number): boolean {
  return daysAgo <= number.activatedDaysAgo && daysAgo > number.silentSinceDaysAgo;
}

/** A minute of the day: people call from seven to eleven at night, mostly in the evening. */
export function wakingMinute(random: Keystream): number {
  return 420 + Math.floor((random.unit() + random.unit()) * 479);
}

/** Every event between two people in the window, oldest first. Seconds count up, so no two coincide. */
export function pairEvents(
  key: Buffer,
  asof: number,
  one: Person,
  two: Person,
  strength: number,
): PairEvent[] {
  const idOne = one.province * PAIR_SPACE + one.index;
  const idTwo = two.province * PAIR_SPACE + two.index;
  const [low, high] = idOne < idTwo ? [one, two] : [two, one];
  const random = new Keystream(key, PAIR_PURPOSE, Math.min(idOne, idTwo), Math.max(idOne, idTwo));
  const initiative = 0.25 + random.unit() * 0.5;
  const count = Math.floor(strength * (0.4 + 1.2 * random.unit()));
  const events: PairEvent[] = [];
  for (let k = 0; k < count; k++) {
    const daysAgo = TRAFFIC_DAYS - Math.floor(((k + random.unit()) * TRAFFIC_DAYS) / count);
    const lowNumber = random.chance(0.8) ? low.numbers[0] : random.pick(low.numbers);
    const highNumber = random.chance(0.8) ? high.numbers[0] : random.pick(high.numbers);
    const lowCalls = random.chance(initiative);
    const message = random.chance(0.2);
    const minute = wakingMinute(random);
    const durationS = message ? 0 : 5 + Math.floor(-Math.log(1 - random.unit()) * 110);
    if (!lowNumber || !highNumber || !usable(lowNumber, daysAgo) || !usable(highNumber, daysAgo))
      continue;
    const [from, to] = lowCalls ? [lowNumber, highNumber] : [highNumber, lowNumber];
    events.push({ day: asof - daysAgo, minute, second: k % 60, from, to, durationS });
  }
  return events;
}
