// The development CA: one self-signed root and a certificate for every party, made on first run. In production the
// operator's own PKI issues these; the files and names are the same.
import "reflect-metadata";
import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { type Role, roleName } from "../proto/index.ts";

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
/** A development certificate's life. */
const VALID_DAYS = 825;

export interface DevelopmentCa {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export async function createDevelopmentCa(folder: string, nowMs: number): Promise<DevelopmentCa> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=WeiJiFen development CA",
    ...validity(nowMs),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
    ],
  });
  writeSecretFile(join(folder, "ca.crt"), certificate.toString("pem"));
  writeSecretFile(join(folder, "ca.key"), await privatePem(keys.privateKey));
  return { certificate, keys };
}

/** The one that `createDevelopmentCa` made. @throws WjfError `secret-missing` where there is none. */
export async function openDevelopmentCa(folder: string): Promise<DevelopmentCa> {
  const key = createPrivateKey(readSecretFile(join(folder, "ca.key")));
  const certificate = new x509.X509Certificate(
    readSecretFile(join(folder, "ca.crt")).toString("utf8"),
  );
  const privateKey = key.toCryptoKey(ALGORITHM, true, ["sign"]);
  const publicKey = createPublicKey(key).toCryptoKey(ALGORITHM, true, ["verify"]);
  return { certificate, keys: { privateKey, publicKey } };
}

/** Writes `ca.crt`, `tls.crt` and `tls.key` for one party. */
export async function issueCertificate(
  ca: DevelopmentCa,
  role: Role,
  folder: string,
  nowMs: number,
): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${roleName(role)}`,
    issuer: ca.certificate.subject,
    ...validity(nowMs),
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: roleName(role) }]),
    ],
  });
  writeSecretFile(join(folder, "ca.crt"), ca.certificate.toString("pem"));
  writeSecretFile(join(folder, "tls.crt"), certificate.toString("pem"));
  writeSecretFile(join(folder, "tls.key"), await privatePem(keys.privateKey));
}

function validity(nowMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + VALID_DAYS * DAY_MS) };
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return x509.PemConverter.encode(der, "PRIVATE KEY");
}
