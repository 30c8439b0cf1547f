// A party's certificate, as it is renewed while the process runs: the three files are looked at every second, and what is new
// in them serves the next connection of every server and client. Files that would not do are not taken: the ones before go on.
// grpc-js's own file watcher does not fit: it takes whatever it finds, a half-written pair and a world-readable key too.
import { once } from "node:events";
import { duplexPair } from "node:stream";
import { connect, createServer } from "node:tls";
import type { experimental } from "@grpc/grpc-js";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { readTlsIdentity, type Role, roleName, type TlsIdentity } from "./mutual-tls.ts";

const LOOK_EVERY_MS = 1000;

type Provider = experimental.CertificateProvider;
type CaListener = experimental.CaCertificateUpdateListener;
type PairListener = experimental.IdentityCertificateUpdateListener;

export class TlsFiles implements Provider, Disposable {
  readonly #folder: string;
  readonly #role: Role;
  readonly #log: Logger;
  readonly #caListeners = new Set<CaListener>();
  readonly #pairListeners = new Set<PairListener>();
  readonly #looking: NodeJS.Timeout;
  #current: TlsIdentity;
  /** What the last look found unfit, and whether that was said. A pair may be looked at between its two halves. */
  #unfit: { readonly identity: TlsIdentity | undefined; isLogged: boolean } | undefined;
  #refreshing = false;

  private constructor(folder: string, role: Role, log: Logger, identity: TlsIdentity) {
    this.#folder = folder;
    this.#role = role;
    this.#log = log;
    this.#current = identity;
    this.#looking = setInterval(() => {
      this.refresh().catch((error: unknown) => log.error({ err: error }, "certificates"));
    }, LOOK_EVERY_MS).unref();
  }

  /**
   * @param folder holds `ca.crt`, `tls.crt`, `tls.key`.
   * @throws WjfError `secret-missing`; `config-invalid` when they do not make this role's connections.
   */
  static async open(folder: string, role: Role, log: Logger): Promise<TlsFiles> {
    const identity = readTlsIdentity(folder);
    await rehearse(identity, role);
    return new TlsFiles(folder, role, log, identity);
  }

  /** Takes over what is new in the files. True if it did. */
  async refresh(): Promise<boolean> {
    if (this.#refreshing) return false;
    this.#refreshing = true;
    try {
      return await this.#look();
    } finally {
      this.#refreshing = false;
    }
  }

  async #look(): Promise<boolean> {
    let identity: TlsIdentity | undefined;
    try {
      identity = readTlsIdentity(this.#folder);
      if (isSame(identity, this.#current)) {
        this.#unfit = undefined;
        return false;
      }
      if (isSame(identity, this.#unfit?.identity) && this.#unfit?.isLogged === true) return false;
      await rehearse(identity, this.#role);
    } catch (error) {
      this.#keepOld(identity, error);
      return false;
    }
    this.#unfit = undefined;
    this.#current = identity;
    for (const listener of this.#caListeners) listener(this.#ca());
    for (const listener of this.#pairListeners) listener(this.#pair());
    this.#log.info({ role: this.#role }, "a new certificate is in use");
    return true;
  }

  /** Said at the second look that finds the same. */
  #keepOld(identity: TlsIdentity | undefined, error: unknown): void {
    const before = this.#unfit;
    const isKnown = before !== undefined && isSame(identity, before.identity);
    if (isKnown && !before.isLogged) {
      const text = "the new certificate files are not fit; the ones before go on";
      this.#log.error({ err: error, role: this.#role, alert: "certificate" }, text);
    }
    this.#unfit = { identity, isLogged: isKnown };
  }

  #ca(): Parameters<CaListener>[0] {
    return { caCertificate: this.#current.ca };
  }

  #pair(): Parameters<PairListener>[0] {
    return { certificate: this.#current.certificate, privateKey: this.#current.key };
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    // grpc-js registers the listener's own watchers only after this.
    process.nextTick(() => listener(this.#ca()));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: PairListener): void {
    this.#pairListeners.add(listener);
    process.nextTick(() => listener(this.#pair()));
  }

  removeIdentityCertificateListener(listener: PairListener): void {
    this.#pairListeners.delete(listener);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
  }
}

function isSame(a: TlsIdentity | undefined, b: TlsIdentity | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.ca.equals(b.ca) && a.certificate.equals(b.certificate) && a.key.equals(b.key);
}

/**
 * A handshake of the identity with itself, in memory: key, chain, role and term are judged by the library that the peers
 * judge them with. The gateway only calls and the authority only serves, and their certificates may be for that alone.
 * @throws WjfError `config-invalid`.
 */
async function rehearse({ ca, certificate, key }: TlsIdentity, role: Role): Promise<void> {
  const context = { ca, cert: certificate, key };
  try {
    const isAsked = role !== "authority";
    const server = createServer({ ...context, requestCert: isAsked, rejectUnauthorized: isAsked });
    const [near, far] = duplexPair();
    const { promise: refused, reject } = Promise.withResolvers<never>();
    server.on("tlsClientError", reject);
    const accepted = once(server, "secureConnection");
    const client = connect({
      ...context,
      socket: near,
      servername: roleName(role),
      rejectUnauthorized: role !== "gateway",
    });
    client.on("error", reject);
    server.emit("connection", far);
    const made = Promise.all([accepted, once(client, "secureConnect")]);
    try {
      await Promise.race([made, refused]);
    } finally {
      made.catch(() => undefined);
      refused.catch(() => undefined);
      client.destroy();
      far.destroy();
    }
  } catch (cause) {
    const { code = "unusable" } = cause as NodeJS.ErrnoException;
    const rule = `not a working certificate for ${roleName(role)}: ${code}`;
    throw new WjfError("config-invalid", `ca.crt, tls.crt, tls.key: ${rule}`, { cause });
  }
}
