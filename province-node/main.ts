// One province node as a process: `node province-node/main.ts --province 51 [--data FOLDER]`.
import { parseArgs } from "node:util";
import { partyFolder, readSettings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { createLogger } from "../core/log.ts";
import { parseWith } from "../core/parse.ts";
import { runService } from "../core/process.ts";
import { startProvinceNode } from "./start.ts";

const log = createLogger({ service: "province-node" });

await runService(async () => {
  const { values } = parseArgs({
    options: { province: { type: "string" }, data: { type: "string" } },
  });
  const province = parseWith(ProvinceCode, values.province, "config-invalid", "--province");
  const settings = readSettings();
  const folder = values.data ?? partyFolder(settings.home, province);
  return await startProvinceNode(province, folder, settings, log.child({ province }));
}, log);
