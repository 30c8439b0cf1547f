// The life of a consent over SQLite.
import { lifecycleSuite } from "./lifecycle-suite.ts";

lifecycleSuite(async () => "sqlite::memory:");
