// One party of the plaintext twin as a process: `node bench/twin/main.ts authority | gateway | <province code>`.
import { partyFolder, readSettings } from "../../core/config.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { createLogger } from "../../core/log.ts";
import { runService } from "../../core/process.ts";
import { startAuthority } from "../../consent/start.ts";
import { startGateway } from "../../gateway/start.ts";
import { startProvinceNode } from "../../province-node/start.ts";
import { createPlainSums, openPlainSums, plainNode } from "./plain-sums.ts";

const party = process.argv[2] ?? "";
const log = createLogger({ service: `twin-${party}` });

await runService(async () => {
  const settings = readSettings();
  if (party === "gateway") return await startGateway(settings, log, createPlainSums);
  if (party === "authority") {
    const scheme = { createScheme: createPlainSums, openDecryptor: openPlainSums };
    return await startAuthority(settings, log, scheme);
  }
  const code = ProvinceCode.parse(party);
  return await startProvinceNode(code, partyFolder(settings.home, code), settings, log, plainNode);
}, log);
