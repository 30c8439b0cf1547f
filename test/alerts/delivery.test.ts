// The outbox and the delivery on SQLite and on PostgreSQL.
import { onBothEngines } from "../core/both-engines.ts";
import { deliverySuite } from "./delivery-suite.ts";
import { outboxSuite } from "./outbox-suite.ts";

onBothEngines(outboxSuite, deliverySuite);
