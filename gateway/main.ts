// The gateway as a process: `node gateway/main.ts`. Settings: docs/OPERATIONS.md.
import { readSettings } from "../core/config.ts";
import { createLogger } from "../core/log.ts";
import { runService } from "../core/process.ts";
import { startGateway } from "./start.ts";

const log = createLogger({ service: "gateway" });
await runService(() => startGateway(readSettings(), log), log);
