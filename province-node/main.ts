// One province node as a process: `node province-node/main.ts --province 51 [--data FOLDER] [--metrics-port PORT]`.
import { parseArgs } from "node:util";
import { partyFolder, Port, readSettings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { createLogger } from "../core/log.ts";
import { parseWith } from "../core/parse.ts";
import { runService } from "../core/process.ts";
import { startProvinceNode } from "./start.ts";

const log = createLogger({ service: "province-node" });

await runService(async () => {
  const { values } = parseArgs({
    options: {
      province: { type: "string" },
      data: { type: "string" },
      "metrics-port": { type: "string" },
    },
  });
  const province = parseWith(ProvinceCode, values.province, "config-invalid", "--province");
  const settings = readSettings();
  const folder = values.data ?? partyFolder(settings.home, province);
  await using resources = new AsyncDisposableStack();
  if (values["metrics-port"] !== undefined) {
    const port = parseWith(Port, values["metrics-port"], "config-invalid", "--metrics-port");
    // What few nodes need and all would pay for: 80 ms of their start (docs/PERFORMANCE.md).
    const { listenForMetrics } = await import("../core/metrics-listener.ts");
    resources.use(await listenForMetrics(port));
  }
  resources.use(await startProvinceNode(province, folder, settings, log.child({ province })));
  return resources.move();
}, log);
