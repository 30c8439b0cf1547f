// A small federation with an institution and a hostile gateway, and what a test wants to look at behind the scenes.
import { type Leaf, showLeaves } from "../../consent/log/index.ts";
import { Bank } from "./bank.ts";
import { type Federation, type FederationOptions, startFederation } from "./federation.ts";
import { HostileGateway } from "./hostile-gateway.ts";

export interface Scene extends AsyncDisposable {
  readonly federation: Federation;
  readonly bank: Bank;
  readonly hostile: HostileGateway;
  /** The first number of somebody in the sandbox. */
  msisdn(index: number): string;
  leaves<T extends Leaf["type"]>(type: T): Promise<Extract<Leaf, { type: T }>[]>;
}

export async function openScene(options: FederationOptions = {}): Promise<Scene> {
  await using resources = new AsyncDisposableStack();
  const federation = resources.use(
    await startFederation({ provinces: 3, peoplePerProvince: 6, ...options }),
  );
  const bank = await Bank.register(federation);
  const hostile = resources.use(await HostileGateway.open(federation));
  const owned = resources.move();
  return {
    federation,
    bank,
    hostile,
    msisdn(index) {
      const number = federation.truth[index]?.numbers[0]?.msisdn;
      if (number === undefined) throw new Error("the sandbox is too small");
      return number;
    },
    async leaves(type) {
      const found: Leaf[] = [];
      for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
        if (leaf.type === type) found.push(leaf);
      }
      return found as never;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
