// A load in a process of its own, which kills itself at the n-th step of progress: for load-kill.test.ts.
import { loadProvince, type LoadOptions } from "../../province-node/load/load.ts";
import { CATALOGUE, SUBJECT_KEY } from "./load-fixture.ts";

const { dieAt, ...options } = JSON.parse(process.argv[2] ?? "{}") as LoadOptions & {
  dieAt: number;
};
let steps = 0;
await loadProvince({
  ...options,
  subjectKey: SUBJECT_KEY,
  catalogue: CATALOGUE,
  onProgress: () => {
    if (++steps === dieAt) process.kill(process.pid, "SIGKILL");
  },
});
process.stdout.write(String(steps));
