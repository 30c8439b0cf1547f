// The consent authority as a process: `node consent/main.ts`. Settings: docs/OPERATIONS.md.
import { readSettings } from "../core/config.ts";
import { createLogger } from "../core/log.ts";
import { runService } from "../core/process.ts";
import { startAuthority } from "./start.ts";

const log = createLogger({ service: "authority" });
await runService(() => startAuthority(readSettings(), log), log);
