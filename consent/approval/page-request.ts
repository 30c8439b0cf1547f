// What every page route needs of a request: the language, the form, proof that the form is one of ours. Cross-site
// forms are refused by what the browser itself says (Fetch Metadata, W3C; Origin, RFC 6454), before anything is read.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { WjfError } from "../../core/errors.ts";
import { PAGE_HEADERS } from "./layout.ts";
import { chooseLang, type Lang } from "./wording.ts";

export function langOf(request: FastifyRequest): Lang {
  const { lang } = request.query as { lang?: unknown };
  return chooseLang(lang, request.headers["accept-language"]);
}

/** Path without the query. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0] as string;
}

export function formOf(request: FastifyRequest): URLSearchParams {
  return request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
}

export function sendPage(reply: FastifyReply, page: string, status = 200): FastifyReply {
  return reply.code(status).headers(PAGE_HEADERS).send(page);
}

/** Forms of up to 8 KiB, parsed by the platform's own URLSearchParams. */
export function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string", bodyLimit: 8192 },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  );
}

/** @throws WjfError `request-malformed` for a POST that another site's page made. */
export function requireSameOrigin(request: FastifyRequest, issuer: string): void {
  if (request.method !== "POST") return;
  const site = request.headers["sec-fetch-site"];
  const origin = request.headers.origin;
  const foreignSite = site !== undefined && site !== "same-origin" && site !== "none";
  const foreignOrigin = origin !== undefined && origin !== new URL(issuer).origin;
  if (foreignSite || foreignOrigin) throw new WjfError("request-malformed", "cross-site form");
}
