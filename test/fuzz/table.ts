// Every reader that faces the outside, in one table, over one running federation; the quick and the slow suite differ in how many
// inputs each target gets.
import { openScene } from "../federation/scene.ts";
import type { Target } from "./target.ts";
import { auditLogTargets } from "./targets/audit-log.ts";
import { ciphertextTargets } from "./targets/ciphertexts.ts";
import { credentialTargets } from "./targets/credentials.ts";
import { documentTargets } from "./targets/documents.ts";
import { operatorTargets } from "./targets/operator-files.ts";
import { grpcTargets } from "./targets/over-grpc.ts";
import { httpTargets } from "./targets/over-http.ts";
import { watch, type Watchdog } from "./watchdog.ts";

export interface Table extends AsyncDisposable {
  readonly targets: readonly Target[];
  readonly watchdog: Watchdog;
  /** Of the SEAL module that ciphertexts are given to. */
  wasmBytes(): number;
}

export async function openTable(seed: number): Promise<Table> {
  await using resources = new AsyncDisposableStack();
  const watchdog = resources.use(watch(seed));
  const scene = resources.use(await openScene({ provinces: 2 }));
  const inProcess = resources.use(new DisposableStack());
  const ciphertexts = await ciphertextTargets(inProcess);
  const targets = [
    ...(await credentialTargets()),
    ...documentTargets(),
    ...(await auditLogTargets(resources)),
    ...(await operatorTargets(resources)),
    ...ciphertexts.targets,
    ...(await httpTargets(scene, resources)),
    ...(await grpcTargets(scene, inProcess)),
  ];
  const owned = resources.move();
  return {
    targets,
    watchdog,
    wasmBytes: () => ciphertexts.wasmBytes(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
