// The batch store on SQLite and on PostgreSQL.
import { onBothEngines } from "../core/both-engines.ts";
import { batchStoreSuite } from "./batch-store-suite.ts";

onBothEngines(batchStoreSuite);
