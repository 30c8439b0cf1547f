// The WebAssembly memory that SEAL's objects live in. It only ever grows, in pages, so a leak shows in its length
// exactly, where the process's resident memory would only hint at it.
import { openDecryptor } from "../../crypto/decrypt.ts";
import { HE_PARAMETERS, SealScheme } from "../../crypto/index.ts";
import { randomSlots } from "./slot-vectors.ts";

export interface WatchedScheme extends Disposable {
  readonly scheme: SealScheme;
  /** Bytes that the module has taken. */
  memoryBytes(): number;
}

interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

/** Node has WebAssembly; its type declarations do not. */
interface WasmApi {
  Memory: new (...parameters: never[]) => WasmMemory;
  instantiate: (...parameters: unknown[]) => Promise<{ instance: { exports: object } }>;
}

/** A scheme whose module's memory can be looked at. */
export async function watchScheme(): Promise<WatchedScheme> {
  const api = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
  const original = api.instantiate;
  const memories: WasmMemory[] = [];
  api.instantiate = async (...parameters) => {
    const instantiated = await original(...parameters);
    for (const value of Object.values(instantiated.instance.exports) as unknown[]) {
      if (value instanceof api.Memory) memories.push(value);
    }
    return instantiated;
  };
  try {
    const scheme = await SealScheme.create();
    const [memory] = memories;
    if (memory === undefined || memories.length > 1) throw new Error("not one SEAL module");
    return {
      scheme,
      memoryBytes: () => memory.buffer.byteLength,
      [Symbol.dispose]: () => scheme[Symbol.dispose](),
    };
  } finally {
    api.instantiate = original;
  }
}

/** Encrypts two vectors, adds, decrypts and compares, `rounds` times over. */
export function encryptAddDecrypt(scheme: SealScheme, rounds: number): void {
  const { plainModulus: t } = HE_PARAMETERS;
  const { publicKey, secretKey } = scheme.generateKeys();
  using encryptor = scheme.encryptor(publicKey);
  using decryptor = openDecryptor(scheme, secretKey);
  const slots = randomSlots(scheme.slotCount, t);
  const first = encryptor.encrypt(slots);
  for (let round = 0; round < rounds; round++) {
    // Every path that allocates: prepared and direct encryption, a refusal, a sum.
    if (round % 3 === 0) encryptor.prepare();
    using sum = scheme.sum();
    sum.add(first);
    sum.add(encryptor.encrypt(slots));
    if (round % 5 === 0) refuse(() => sum.add(new Uint8Array(round % 100)));
    const opened = decryptor.decrypt(sum.finish());
    const at = round % slots.length;
    if (opened[at] !== (2 * (slots[at] as number)) % t) throw new Error("a wrong sum");
  }
}

function refuse(work: () => void): void {
  try {
    work();
  } catch {
    return;
  }
  throw new Error("what should have been refused was taken");
}
