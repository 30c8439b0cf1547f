// One province's node as a process of its own, in the place of the one in this process, showing its metrics: from the sources,
// or from another file that was made of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Federation, freePorts } from "./federation.ts";

const MAIN = fileURLToPath(new URL("../../province-node/main.ts", import.meta.url));

export interface NodeProcess extends AsyncDisposable {
  readonly metricsUrl: string;
  /** With SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export async function replaceNode(
  federation: Federation,
  code: string,
  main = MAIN,
): Promise<NodeProcess> {
  const { settings, authority } = federation;
  const { provinces } = authority.epochs.current().roster;
  const endpoint = provinces.find((province) => province.code === code)?.endpoint ?? "";
  const [metricsPort] = await freePorts(1);
  await federation.stopNode(code);
  const child = spawn(
    process.execPath,
    [main, "--province", code, "--metrics-port", String(metricsPort)],
    {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: {
        ...process.env,
        WJF_HOME: settings.home,
        WJF_NODE_BASE_PORT: String(Number(endpoint.split(":")[1]) - Number(code)),
        WJF_AUTHORITY_GRPC_PORT: String(settings.authorityGrpcPort),
        WJF_LOG_LEVEL: "fatal",
      },
    },
  );
  const ended = once(child, "exit").then(() => {
    throw new Error("the node ended");
  });
  await Promise.race([once(child, "message"), ended]);
  ended.catch(() => undefined);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const exited = once(child, "exit");
    if (child.kill(signal)) await exited;
  };
  return {
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    kill: async () => await end("SIGKILL"),
    [Symbol.asyncDispose]: async () => await end("SIGTERM"),
  };
}
