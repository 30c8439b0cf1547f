// A province in an enemy's hands: it has the province's certificate and keys and listens where the province would, and
// answers as a test tells it to.
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { nodePort, partyFolder, type Settings } from "../../core/config.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { silentLogger } from "../../core/log.ts";
import {
  type DigestedDescriptor,
  HE_PARAMETERS,
  Masks,
  type NodeReceipt,
  parseDescriptor,
  SealScheme,
  signStatement,
} from "../../crypto/index.ts";
import {
  bindServer,
  type EvaluateReply,
  ProvinceNodeStub,
  readTlsIdentity,
  serverCredentials,
  unaryMethod,
} from "../../proto/index.ts";
import { readOwnPair } from "../../province-node/own-keys.ts";
import { sealReply } from "../../province-node/reply.ts";
import type { HostileGateway } from "../federation/hostile-gateway.ts";

export class HostileNode implements AsyncDisposable {
  /** What it answers next. */
  answer: (digested: DigestedDescriptor) => object = () => ({});
  asked = 0;
  readonly #code: ProvinceCode;
  readonly #own;
  readonly #scheme: SealScheme;
  readonly #resources = new AsyncDisposableStack();
  /** The epoch's public key and roster, as everybody has them. */
  epoch: HostileGateway["epoch"] | undefined;

  private constructor(code: ProvinceCode, settings: Settings, scheme: SealScheme) {
    this.#code = code;
    this.#scheme = this.#resources.use(scheme);
    this.#own = readOwnPair(join(partyFolder(settings.home, code), "secrets"));
  }

  static async start(code: string, settings: Settings): Promise<HostileNode> {
    const province = code as ProvinceCode;
    const node = new HostileNode(province, settings, await SealScheme.create());
    const server = new Server({ "grpc.max_send_message_length": -1 });
    server.addService(ProvinceNodeStub.service, {
      Evaluate: unaryMethod(async (call) => {
        node.asked++;
        const { descriptor } = call.request as { descriptor: Buffer };
        return node.answer(parseDescriptor(descriptor));
      }, silentLogger),
    });
    const identity = readTlsIdentity(join(partyFolder(settings.home, province), "secrets"));
    const address = `127.0.0.1:${nodePort(settings, province)}`;
    node.#resources.use(await bindServer(server, address, serverCredentials(identity)));
    return node;
  }

  /** What an honest node answers that holds nobody; or with other values in its slots. */
  masked(
    digested: DigestedDescriptor,
    values: (slots: Uint32Array) => void = () => {},
  ): EvaluateReply {
    const { roster, rosterDigest } = this.#knownEpoch();
    const { maskKey, signingKey } = this.#own;
    const peers = new Map(roster.provinces.map(({ code, mask_key }) => [code, mask_key]));
    const masks = new Masks(this.#code, maskKey, peers, rosterDigest, HE_PARAMETERS.plainModulus);
    using encryptor = this.#scheme.encryptor(this.#knownEpoch().publicKey);
    const used = Math.max(
      ...digested.descriptor.items.map((item) => item.slot_offset + item.slot_width),
    );
    const slots = new Uint32Array(used);
    values(slots);
    return sealReply(slots, digested, [], { province: this.#code, signingKey, masks, encryptor });
  }

  /** Any ciphertext, under a receipt that says what it should, or is bent. */
  signed(
    ciphertext: Buffer,
    { digest }: DigestedDescriptor,
    bent: Partial<NodeReceipt> = {},
    key: KeyObject = this.#own.signingKey,
  ): EvaluateReply {
    const receipt = {
      province: this.#code,
      descriptor: digest.toString("hex"),
      ciphertext: sha256Hex(ciphertext),
      refusals: [],
      ...bent,
    };
    return { ciphertext, receipt: signStatement("receipt", receipt, key) };
  }

  /** Not masked: these values, as they are. */
  unmasked(values: readonly number[]): Buffer {
    using encryptor = this.#scheme.encryptor(this.#knownEpoch().publicKey);
    return Buffer.from(encryptor.encrypt(Uint32Array.from(values)));
  }

  get ciphertextBytes(): number {
    return this.#scheme.ciphertextBytes;
  }

  #knownEpoch() {
    if (this.epoch === undefined) throw new Error("tell it the epoch first");
    return this.epoch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
