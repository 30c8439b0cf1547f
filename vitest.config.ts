// Test runner configuration: `npm test` is the quick suite, `npm run test:slow` the long one.
import { defineConfig } from "vitest/config";

const slow = process.env["WJF_SLOW"] === "1";

export default defineConfig({
  test: {
    include: slow ? ["test/**/*.slow.ts"] : ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: slow ? 3_600_000 : 60_000,
    hookTimeout: 120_000,
    reporters: ["default", "./test/plain-closing-line.ts"],
  },
});
