// What anybody may read: products, federation, health.
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { claimsJsonSchema } from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import { ERRORS_PATH, errorsPage } from "../core/errors-page.ts";
import type { GatewayParts } from "./app.ts";
import { FederationSchema, problems, ProductsSchema, ROUTE_PROBLEMS } from "./schemas.ts";

export async function infoRoutes(plain: FastifyInstance, parts: GatewayParts): Promise<void> {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.get(
    "/v1/products",
    {
      schema: {
        summary: "The products",
        tags: ["catalogue"],
        response: { 200: ProductsSchema, ...ROUTE_PROBLEMS },
      },
    },
    () => describeProducts(parts),
  );
  app.get(
    "/v1/federation",
    {
      schema: {
        summary: "The epoch, the group key and the provinces' state",
        tags: ["federation"],
        response: { 200: FederationSchema, ...ROUTE_PROBLEMS, ...problems(503) },
      },
    },
    () => describeFederation(parts),
  );
  const ok = z.object({ status: z.literal("ok") });
  app.get(
    "/healthz",
    { schema: { summary: "Alive", tags: ["health"], response: { 200: ok, ...ROUTE_PROBLEMS } } },
    () => ({
      status: "ok" as const,
    }),
  );
  app.get(
    "/readyz",
    {
      schema: {
        summary: "Ready to answer",
        tags: ["health"],
        response: { 200: ok, ...ROUTE_PROBLEMS, ...problems(503) },
      },
    },
    () => {
      if (!parts.view.ready) throw new WjfError("federation-unavailable");
      return { status: "ok" as const };
    },
  );
  app.get(ERRORS_PATH, { schema: { hide: true } }, (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(errorsPage()),
  );
}

function describeProducts({ catalogue }: GatewayParts): z.input<typeof ProductsSchema> {
  const products = [...catalogue.products].map(([ref, product]) => ({
    product: ref,
    title: { zh: product.zh, en: product.en },
    description: product.description,
    kind: product.kind,
    subjects: [...product.subjects],
    claims: product.claims,
    ...(product.claims === "none" ? {} : { claims_schema: claimsJsonSchema(product) }),
  }));
  return { products };
}

function describeFederation({ view, provinces }: GatewayParts): z.input<typeof FederationSchema> {
  const { roster, rosterDigest, signedRoster } = view.current();
  return {
    epoch: roster.epoch,
    not_after: roster.not_after,
    roster: signedRoster,
    roster_digest: rosterDigest.toString("hex"),
    group_key: roster.group_key,
    provinces: roster.provinces.map(({ code, zh, en }) => ({
      code,
      zh,
      en,
      state: provinces.state(code),
    })),
  };
}
