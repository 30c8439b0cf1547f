// What the parties send each other: descriptors, rosters and what else the authority signs, receipts, gRPC messages.
import * as fc from "fast-check";
import type { ErrorCode } from "../../../core/errors.ts";
import { canonicalJson, sha256Hex } from "../../../core/canonical.ts";
import { PROVINCES } from "../../../core/provinces.ts";
import { parseWith } from "../../../core/parse.ts";
import {
  digestDescriptor,
  HE_PARAMETERS,
  Masks,
  generateX25519,
  MergeCommitment,
  NodeReceipt,
  openRoster,
  openStatement,
  parseDescriptor,
  publicP256,
  publicX25519,
  type Roster,
  signStatement,
  type StatementContext,
} from "../../../crypto/index.ts";
import {
  Admission,
  BatchManifest,
  FederationView,
  parseBatchDescriptor,
  productsOf,
} from "../../../consent/verifier.ts";
import {
  AdmitBatchReply,
  AdmitBatchRequest,
  AdmitReply,
  AdmitRequest,
  AdmittedTraining,
  AuthorityStub,
  EvaluateBatchRequest,
  EvaluateReply,
  EvaluateRequest,
  FederationUpdate,
  OfferTrainingRequest,
  ProvinceNodeStub,
  ProvinceTraining,
  PutTrainingLabelsRequest,
  ReleaseBatchReply,
  ReleaseBatchRequest,
  ReleaseReply,
  ReleaseRequest,
  TrainingPart,
  TrainingRoundRequest,
  TrainReply,
  TrainRequest,
} from "../../../proto/index.ts";
import { mutatedBytes, mutatedJson } from "../arbitraries.ts";
import { AUDIENCE, clock, compact, ISSUER, NOW_S, root, signer, TOKEN } from "../signers.ts";
import { type Target, target } from "../target.ts";

const HEX = sha256Hex("");
const QUERY_ID = "0f9d7c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11";
const HE_KEY = Buffer.alloc(64, 3);

const own = generateX25519();

function makeRoster(): Roster {
  const key = () => publicP256(signer().jwk);
  const keyWithId = () => ({ ...key(), kid: "k1" });
  return {
    epoch: 1,
    not_before: NOW_S - 60,
    not_after: NOW_S + 86_400,
    he: {
      scheme: HE_PARAMETERS.scheme,
      poly_modulus_degree: HE_PARAMETERS.polyModulusDegree,
      coeff_modulus: HE_PARAMETERS.coeffModulus,
      plain_modulus: HE_PARAMETERS.plainModulus,
      public_key_sha256: sha256Hex(HE_KEY),
    },
    issuer: ISSUER,
    audience: AUDIENCE,
    token_keys: [keyWithId()],
    gateway_key: key(),
    admission_key: key(),
    group_key: keyWithId(),
    provinces: PROVINCES.slice(0, 3).map(({ code, zh, en }, i) => ({
      code,
      zh,
      en,
      endpoint: `node-${code}.example:9000`,
      signing_key: key(),
      mask_key: publicX25519(i === 0 ? own : generateX25519()),
    })),
  };
}

export function documentTargets(): Target[] {
  return [...descriptorTargets(), ...rosterTargets(), ...statementTargets(), ...messageTargets()];
}

function descriptorTargets(): Target[] {
  const item = {
    query_id: QUERY_ID,
    token_hash: HEX,
    product: "credit-score@1",
    claims_hash: HEX,
    slot_offset: 1,
    slot_width: 11,
  };
  const head = {
    fan_out_id: QUERY_ID,
    epoch: 1,
    roster_digest: HEX,
    provinces: ["11", "12", "51"],
  };
  const descriptor = {
    ...head,
    items: [item, { ...item, query_id: QUERY_ID.replace("0f", "1f"), slot_offset: 12 }],
  };
  const batch = { ...head, manifest: HEX };
  const bytes = digestDescriptor(descriptor as never).bytes;
  return [
    target<Buffer>({
      name: "fan-out descriptor",
      corpus: fc.oneof(mutatedBytes([bytes]), canonical(mutatedJson([descriptor]))),
      run: parseDescriptor,
      codes: ["descriptor-invalid"],
      inputs: { quick: 400, slow: 100_000 },
    }),
    target<Buffer>({
      name: "batch descriptor",
      corpus: fc.oneof(mutatedBytes([canonicalJson(batch)]), canonical(mutatedJson([batch]))),
      run: parseBatchDescriptor,
      codes: ["descriptor-invalid"],
      inputs: { quick: 300, slow: 60_000 },
    }),
  ];
}

/** As JSON; canonical where the value can be. */
function canonical(values: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  return values.map((value) => {
    try {
      return Buffer.from(canonicalJson(value));
    } catch {
      return Buffer.from(JSON.stringify(value) ?? "");
    }
  });
}

function rosterTargets(): Target[] {
  const roster = makeRoster();
  const header = { alg: "ES256", typ: "weijifen-roster+jws" };
  const good = compact(header, roster, root);
  const rosters = fc.oneof(
    mutatedBytes([good]).map((bytes) => bytes.toString()),
    mutatedJson([roster]).map((bent) => compact(header, bent, root)),
  );
  return [
    target<string>({
      name: "roster",
      corpus: fc.oneof(
        rosters,
        mutatedJson([header]).map((bent) => compact(bent, roster, root)),
      ),
      run: (jws) => openRoster(jws, root.public),
      codes: ["epoch-unknown"],
      inputs: { quick: 150, slow: 4000 },
    }),
    target<string>({
      name: "federation view, and the masks under its roster",
      corpus: rosters,
      run: async (jws) => {
        const view = new FederationView(root.public, clock);
        const epoch = { roster: jws, he_public_key: HE_KEY };
        await view.apply({ update: "epoch", epoch });
        const { roster: taken, rosterDigest } = view.current();
        const peers = new Map(taken.provinces.map((peer) => [peer.code, peer.mask_key]));
        return new Masks("11" as never, own, peers, rosterDigest, HE_PARAMETERS.plainModulus);
      },
      codes: ["epoch-unknown", "federation-unavailable"],
      inputs: { quick: 150, slow: 3000 },
    }),
  ];
}

function statementTargets(): Target[] {
  const documents = {
    receipt: {
      schema: NodeReceipt,
      value: {
        province: "11",
        descriptor: HEX,
        ciphertext: HEX,
        refusals: [{ item: 0, code: "token-expired" }],
      },
    },
    merge: { schema: MergeCommitment, value: { descriptor: HEX, merged: HEX } },
    admission: {
      schema: Admission,
      value: {
        descriptor: HEX,
        items: [{ sub: "A".repeat(86), jti: "j".repeat(36) }],
        expires_at: NOW_S,
      },
    },
    "batch-manifest": {
      schema: BatchManifest,
      value: {
        manifest_id: QUERY_ID,
        batch_id: QUERY_ID,
        epoch: 1,
        roster_digest: HEX,
        expires_at: NOW_S,
        products: [{ product: "credit-score@1", items: 3 }],
        slots: 34,
        subjects_sha256: HEX,
        items_sha256: HEX,
        claims_sha256: null,
      },
    },
  } as const;
  return Object.entries(documents).map(([name, { schema, value }]) => {
    const context = name as StatementContext;
    const signed = signStatement(context, value, root.private);
    return target<{ statement: Uint8Array; signature: Uint8Array }>({
      name: `statement: ${name}`,
      corpus: fc.oneof(
        mutatedBytes([signed.statement]).map((statement) => ({ ...signed, statement })),
        mutatedBytes([signed.signature]).map((signature) => ({ ...signed, signature })),
        mutatedJson([value]).map((bent) => signAnything(context, bent)),
      ),
      run: (each) => {
        const opened = openStatement(context, each, root.public, schema, "receipt-invalid");
        if ("products" in opened) return productsOf(opened);
        return opened;
      },
      codes: ["receipt-invalid"],
      inputs: { quick: 150, slow: 10_000 },
    });
  });
}

/** Also what has no canonical form: the signer is the enemy here. */
function signAnything(context: StatementContext, value: unknown) {
  try {
    return signStatement(context, value, root.private);
  } catch {
    const good = signStatement(context, {}, root.private);
    return { ...good, statement: Buffer.from(JSON.stringify(value) ?? "") };
  }
}

interface Codec {
  readonly serialize: (value: unknown) => Buffer;
  readonly deserialize: (bytes: Buffer) => unknown;
}

/** Every message that comes over gRPC, through the deserialiser that gRPC itself calls, then the schema behind it. */
function messageTargets(): Target[] {
  const { Evaluate, EvaluateBatch, OfferTraining, PutTrainingLabels, TrainingRound } =
    ProvinceNodeStub.service;
  const { Admit, Release, AdmitBatch, ReleaseBatch, AdmitTraining, Train, Follow } =
    AuthorityStub.service;
  const request = (method: typeof Evaluate): Codec => ({
    serialize: (method as never as { requestSerialize: Codec["serialize"] }).requestSerialize,
    deserialize: (method as never as { requestDeserialize: Codec["deserialize"] })
      .requestDeserialize,
  });
  const reply = (method: typeof Evaluate): Codec => ({
    serialize: (method as never as { responseSerialize: Codec["serialize"] }).responseSerialize,
    deserialize: (method as never as { responseDeserialize: Codec["deserialize"] })
      .responseDeserialize,
  });
  const statement = { statement: Buffer.from("{}"), signature: Buffer.alloc(64, 1) };
  const credentials = {
    token: TOKEN,
    proof: TOKEN,
    body: Buffer.from('{"product":"credit-score@1"}'),
  };
  const items = [{ credentials, sealed: true }];
  const descriptor = Buffer.from('{"a":1}');
  const ciphertext = Buffer.alloc(512, 5);
  const outcomes = [{ answer: "{}" }, { sealed: "a.b.c.d.e" }, { refusal: "token-expired" }];
  const row = { row: 3, outcome: outcomes[2], receipt: "c2sp.org/tlog-proof@v1" };
  const commit = {
    descriptor,
    merged: ciphertext,
    commitment: statement,
    receipts: [statement, statement],
  };
  const block = { index: 1, lines: Buffer.from("{}\n"), path: [Buffer.alloc(32, 2)] };
  const messages: [string, Codec, Parameters<typeof parseWith>[0], readonly object[]][] = [
    [
      "Evaluate",
      request(Evaluate),
      EvaluateRequest,
      [{ descriptor, credentials: [credentials], admission: statement }],
    ],
    [
      "EvaluateBatch",
      request(EvaluateBatch),
      EvaluateBatchRequest,
      [{ descriptor, manifest: statement, subjects: ciphertext, claims: ["", TOKEN] }],
    ],
    ["Evaluate's reply", reply(Evaluate), EvaluateReply, [{ ciphertext, receipt: statement }]],
    ["Admit", request(Admit), AdmitRequest, [{ descriptor, items }]],
    [
      "Admit's reply",
      reply(Admit),
      AdmitReply,
      [{ admission: statement }, { settled: { items: [{ item: 1, outcome: outcomes[0] }] } }],
    ],
    [
      "Release",
      request(Release),
      ReleaseRequest,
      [{ commit: { ...commit, items } }, { reveal: { ciphertexts: [ciphertext, ciphertext] } }],
    ],
    [
      "Release's reply",
      reply(Release),
      ReleaseReply,
      [{ challenge: {} }, { outcomes: { outcomes } }],
    ],
    ["AdmitBatch", request(AdmitBatch), AdmitBatchRequest, [{ proof: TOKEN, blocks: [block] }]],
    [
      "AdmitBatch's reply",
      reply(AdmitBatch),
      AdmitBatchReply,
      [
        {
          manifest: statement,
          subjects: ciphertext,
          items: ciphertext,
          settled: [row],
          checkpoint: "x",
          blocks: 1,
        },
      ],
    ],
    [
      "ReleaseBatch",
      request(ReleaseBatch),
      ReleaseBatchRequest,
      [
        { commit: { ...commit, manifest: statement, items: ciphertext } },
        { reveal: { ciphertexts: [ciphertext] } },
      ],
    ],
    [
      "OfferTraining",
      request(OfferTraining),
      OfferTrainingRequest,
      [{ admission: statement, he_public_key: ciphertext, ended: false }],
    ],
    [
      "OfferTraining's reply",
      reply(OfferTraining),
      ProvinceTraining,
      [{ state: "approved", note: "", has_key: true, blocks: 2 }],
    ],
    [
      "PutTrainingLabels",
      request(PutTrainingLabels),
      PutTrainingLabelsRequest,
      [{ job_id: QUERY_ID, block: 1, proof: TOKEN, body: descriptor }],
    ],
    [
      "TrainingRound",
      request(TrainingRound),
      TrainingRoundRequest,
      [{ job_id: QUERY_ID, order: statement, request: "a.b.c.d.e" }],
    ],
    ["TrainingRound's reply", reply(TrainingRound), TrainingPart, [{ part: ciphertext }]],
    [
      "AdmitTraining's reply",
      reply(AdmitTraining),
      AdmittedTraining,
      [{ admission: statement, he_public_key: ciphertext, state: "open" }],
    ],
    [
      "Train",
      request(Train),
      TrainRequest,
      [{ ask: { job_id: QUERY_ID, proof: TOKEN, body: descriptor } }, { part: ciphertext }],
    ],
    [
      "Train's reply",
      reply(Train),
      TrainReply,
      [{ round: { order: statement, request: "a.b.c.d.e", parts: 2 } }, { told: "a.b.c.d.e" }],
    ],
    [
      "ReleaseBatch's reply",
      reply(ReleaseBatch),
      ReleaseBatchReply,
      [{ challenge: {} }, { outcomes: { rows: [row], checkpoint: "x" } }],
    ],
    [
      "Follow's update",
      reply(Follow),
      FederationUpdate,
      [
        { epoch: { roster: TOKEN, he_public_key: ciphertext } },
        { status_list: { uri: `${ISSUER}/s`, token: TOKEN } },
        { institutions: { digests: [Buffer.alloc(32, 1)] } },
      ],
    ],
  ];
  const code: ErrorCode = "request-malformed";
  return messages.map(([name, codec, schema, values]) =>
    target<Buffer>({
      name: `gRPC message: ${name}`,
      corpus: mutatedBytes([...values.map((value) => codec.serialize(value)), ...GROUPS]),
      run: (bytes) => parseWith(schema, codec.deserialize(bytes), code, "message"),
      codes: [code],
      // What gRPC answers itself, as INTERNAL: a message that is no protobuf.
      isRefusal: isNoProtobuf,
      inputs: { quick: 100, slow: 8000 },
    }),
  );
}

/** Groups within groups, which a reader skips by recursion. */
const GROUPS = [Buffer.alloc(50_000, 0x0b), Buffer.alloc(64, 0x0b)];

function isNoProtobuf(error: unknown): boolean {
  return (
    error instanceof RangeError ||
    (error instanceof Error &&
      /^(invalid wire type|illegal|invalid|maximum nesting depth|unterminated)/i.test(
        error.message,
      ))
  );
}
