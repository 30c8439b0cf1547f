// Sinks for tests: HTTPS servers on this machine under a certificate authority of the test's own, honest or not.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
export const SINK_NAME = "sink.example";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface SinkCa {
  readonly pem: string;
  /** For 127.0.0.1 and `SINK_NAME`, valid today, unless told otherwise. */
  issue(wish?: { readonly name?: string; readonly expired?: boolean }): Promise<Certificate>;
}

export async function createSinkCa(): Promise<SinkCa> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const validity = (days: number) => ({
    notBefore: new Date(Date.now() - 10 * DAY_MS),
    notAfter: new Date(Date.now() + days * DAY_MS),
  });
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Sinks of a test",
    ...validity(10),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    pem: ca.toString("pem"),
    async issue({ name, expired = false } = {}) {
      const own = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const names: x509.JsonGeneralNames =
        name === undefined
          ? [
              { type: "ip", value: "127.0.0.1" },
              { type: "dns", value: SINK_NAME },
            ]
          : [{ type: "dns", value: name }];
      const certificate = await x509.X509CertificateGenerator.create({
        subject: "CN=sink",
        issuer: ca.subject,
        ...validity(expired ? -1 : 5),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [new x509.SubjectAlternativeNameExtension(names)],
      });
      const der = await webcrypto.subtle.exportKey("pkcs8", own.privateKey);
      return {
        cert: certificate.toString("pem"),
        key: x509.PemConverter.encode(der, "PRIVATE KEY"),
      };
    },
  };
}

export interface RunningSink extends AsyncDisposable {
  readonly port: number;
  /** https://127.0.0.1 and its port. */
  readonly url: string;
  /** Connections that were made to it so far. */
  connections(): number;
}

/** An HTTPS server. */
export function startSink(
  certificate: Certificate,
  handler: RequestListener,
): Promise<RunningSink> {
  return run(createSecureServer(certificate, handler));
}

/** Speaks TLS, and after that whatever it likes. */
export function startTlsSink(
  certificate: Certificate,
  handler: (socket: TLSSocket) => void,
): Promise<RunningSink> {
  const server = createTlsServer(certificate, (socket) => {
    socket.on("error", () => undefined);
    handler(socket);
  });
  return run(server);
}

export function startPlainSink(handler: RequestListener): Promise<RunningSink> {
  return run(createServer(handler));
}

/** Takes connections and says nothing. */
export function startSilentSink(): Promise<RunningSink> {
  return run(createTcpServer(() => undefined));
}

async function run(server: Server): Promise<RunningSink> {
  let connections = 0;
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `https://127.0.0.1:${port}/alerts`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
