// Long work on the one thread, cut into pieces: a generator that yields wherever something else may have its turn. Whoever runs it
// decides whether it does. What the pieces share must bear what happens between them.
export type Steps<T> = Generator<undefined, T, undefined>;

/** All pieces, one right after the other. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** @param pause between two pieces; what it throws ends the work, whose resources are freed. */
export async function inPieces<T>(steps: Steps<T>, pause: () => Promise<void>): Promise<T> {
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      await pause();
    }
  } finally {
    steps.return(undefined as never);
  }
}
