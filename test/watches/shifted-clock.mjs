// Preloaded into every process of a federation (node --import): its wall clock is ahead by what the file WJF_TEST_CLOCK says, in
// milliseconds, from SIGUSR2 on.
import { readFileSync } from "node:fs";

const RealDate = Date;
let aheadMs = 0;

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + aheadMs] : args));
  }

  static now() {
    return RealDate.now() + aheadMs;
  }
};

const read = () => {
  aheadMs = Number(readFileSync(process.env.WJF_TEST_CLOCK, "utf8"));
};
process.on("SIGUSR2", read);
read();
