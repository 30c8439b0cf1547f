// Randomness as a value that is passed in: the system's in production, a seeded one in simulations.
import { randomBytes, randomInt } from "node:crypto";

export interface Random {
  bytes(length: number): Buffer;
  /** Uniform in [0, 1). */
  unit(): number;
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  unit: () => randomInt(2 ** 47) / 2 ** 47,
};
