// The public face of release/. This folder alone may decrypt.
import { openDecryptor } from "../../crypto/decrypt.ts";
import { type HeDecryptor, type HeScheme, SealScheme } from "../../crypto/index.ts";

export { MergeOpener } from "./merge-opener.ts";
export { Releaser, type ReleaserParts } from "./releaser.ts";
export { releaseMigrations, type ReleaseSchema } from "./schema.ts";

export function openSealDecryptor(scheme: HeScheme, secretKey: Uint8Array): HeDecryptor {
  if (!(scheme instanceof SealScheme)) throw new TypeError("not the SEAL scheme");
  return openDecryptor(scheme, secretKey);
}
