// Mutual TLS between the parties. A certificate names a role as a DNS name (`gateway`, `authority`, `p51`, under
// weijifen.internal), and both ends check it: a province cannot call another, nor pose as the gateway.
import type { Socket } from "node:net";
import { join } from "node:path";
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  experimental,
  type ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  ServerCredentials as Servers,
} from "@grpc/grpc-js";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { MAX_MESSAGE_BYTES } from "./wire.ts";

export type Role = "gateway" | "authority" | `p${ProvinceCode}`;

export function roleName(role: Role): string {
  return `${role}.weijifen.internal`;
}

export function provinceRole(code: ProvinceCode): Role {
  return `p${code}`;
}

/** PEM texts: the federation's CA, this party's chain and key. */
export interface TlsIdentity {
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Reads `ca.crt`, `tls.crt`, `tls.key` of a secrets folder. @throws WjfError `secret-missing`. */
export function readTlsIdentity(folder: string): TlsIdentity {
  return {
    ca: readSecretFile(join(folder, "ca.crt")),
    certificate: readSecretFile(join(folder, "tls.crt")),
    key: readSecretFile(join(folder, "tls.key")),
  };
}

/** Certificates as they are, or as they are renewed (tls-files.ts). */
export type TlsSource = TlsIdentity | experimental.CertificateProvider;

function isRenewed(source: TlsSource): source is experimental.CertificateProvider {
  return "addCaCertificateListener" in source;
}

export function serverCredentials(identity: TlsSource): ServerCredentials {
  if (isRenewed(identity)) {
    return experimental.createCertificateProviderServerCredentials(identity, identity, true);
  }
  const pair = { private_key: identity.key, cert_chain: identity.certificate };
  return Servers.createSsl(identity.ca, [pair], true);
}

/** Within this a connection has to be made, from the first byte of TLS to the first of HTTP/2. */
const CONNECTED_WITHIN_MS = 10_000;

/** Credentials and options for calling a party in `role`, wherever it listens. */
export function clientSecurity(
  identity: TlsSource,
  role: Role,
  connectedWithinMs = CONNECTED_WITHIN_MS,
) {
  const options: ChannelOptions = {
    ...messageLimits,
    "grpc.ssl_target_name_override": roleName(role),
    "grpc.default_authority": roleName(role),
    // A connection that leads nowhere any more is found within these two together, whether or not anybody asks, and long before
    // a status list grows stale.
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2000,
  };
  const secure = isRenewed(identity)
    ? experimental.createCertificateProviderChannelCredentials(identity, identity)
    : credentials.createSsl(identity.ca, identity.key, identity.certificate);
  return { credentials: noticeFailures(secure, connectedWithinMs), options };
}

/**
 * grpc-js 1.14 waits for ever for a handshake, TLS's or HTTP/2's (grpc/grpc-node#2785), and for the end of a connection whose TLS has
 * failed: the party would never be called again. docs/decisions/083-silent-connections.md.
 */
function noticeFailures(secure: ChannelCredentials, withinMs: number): ChannelCredentials {
  const create = secure._createSecureConnector.bind(secure);
  secure._createSecureConnector = (...parameters) => {
    const connector = create(...parameters);
    const connect = connector.connect.bind(connector);
    connector.connect = async (socket) => {
      const { promise: late, reject } = Promise.withResolvers<never>();
      let made: Socket = socket;
      const limit = setTimeout(() => {
        // A server's first record holds its HTTP/2 settings: with any byte of it the connection is made.
        if (made !== socket && made.bytesRead > 0) return;
        made.destroy();
        reject(new WjfError("deadline-exceeded", "connecting"));
      }, withinMs).unref();
      socket.once("close", () => clearTimeout(limit));
      const connected = await Promise.race([connect(socket), late]);
      made = connected.socket;
      // Node leaves a socket open whose TLS has failed, and gRPC waits for its end: every further call would be refused.
      made.once("error", () => made.destroy());
      return connected;
    };
    return connector;
  };
  return secure;
}

export const messageLimits: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
};

/** For every gRPC server: a peer that has gone without a word is noticed, and one connection cannot open calls without end. */
export const serverLimits: ServerOptions = {
  ...messageLimits,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_concurrent_streams": 256,
};

/** @throws WjfError `peer-unauthorised` unless the caller's verified certificate is for one of the roles. */
export function requirePeer(
  call: Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">,
  allowed: (name: string) => boolean,
): string {
  const names = call.getAuthContext().sslPeerCertificate?.subjectaltname ?? "";
  for (const entry of names.split(", ")) {
    const name = entry.replace(/^DNS:/, "");
    if (entry.startsWith("DNS:") && allowed(name)) return name;
  }
  throw new WjfError("peer-unauthorised");
}
