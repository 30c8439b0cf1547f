// One suite over the real scheme and its plaintext twin.
import { openDecryptor } from "../../crypto/decrypt.ts";
import { SealScheme } from "../../crypto/index.ts";
import { openPlaintextDecryptor, PlaintextScheme } from "./plaintext-scheme.ts";
import { heSchemeSuite } from "./scheme-suite.ts";

heSchemeSuite("BFV over node-seal", {
  create: () => SealScheme.create(),
  openDecryptor: (scheme, secretKey) => openDecryptor(scheme as SealScheme, secretKey),
});

heSchemeSuite("the plaintext twin", {
  create: () => PlaintextScheme.create(),
  openDecryptor: openPlaintextDecryptor,
});
