// HTTP for credit life: whoever is signed in at the portal sees the offers and makes a code for one. A code is made by a form
// of this session only, and the page that shows it is its answer; asking again makes another one.
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { SubjectTag } from "../../core/ids.ts";
import { personOfRequest, requireFormToken, sendSignIn } from "../approval/consents-routes.ts";
import { formOf, langOf, pathOf, sendPage } from "../approval/page-request.ts";
import type { ConsentService } from "../consent-service.ts";
import { codePage, offerGonePage, offerPage, offersPage } from "./offer-pages.ts";

interface OfferRoute {
  Params: { id: string };
}

export function offerRoutes(app: FastifyInstance, service: ConsentService): void {
  const { sessions, offerCodes } = service;
  const frame = (request: FastifyRequest) => ({ lang: langOf(request), path: pathOf(request) });

  app.get("/portal/offers", async (request, reply) => {
    if (personOfRequest(request, sessions) === undefined) return sendSignIn(request, reply);
    const { products } = service.options;
    return sendPage(reply, offersPage(frame(request), await offerCodes.list(), products));
  });

  app.get<OfferRoute>("/portal/offers/:id", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply);
    const shown = await offerCodes.show(request.params.id);
    if (shown === undefined) return sendPage(reply, offerGonePage(frame(request)), 404);
    const { formToken } = person;
    return sendPage(reply, offerPage(frame(request), { ...shown, formToken }));
  });

  app.post<OfferRoute>("/portal/offers/:id", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply, "session-over");
    requireFormToken(request, sessions);
    const form = formOf(request);
    const entered = { classes: form.getAll("class"), recipient: form.get("recipient") === "yes" };
    const shown = await offerCodes.show(request.params.id);
    if (shown === undefined) return sendPage(reply, offerGonePage(frame(request)), 404);
    const { contactIndex, subjectTag } = person.session;
    const made = await offerCodes.make(request.params.id, {
      ...entered,
      contactIndex,
      subjectTag: Buffer.from(subjectTag, "base64url") as SubjectTag,
      lang: langOf(request),
    });
    switch (made.kind) {
      case "made":
        return sendPage(reply, codePage(frame(request), shown, made));
      case "gone":
        return sendPage(reply, offerGonePage(frame(request)), 404);
      case "recipient-missing":
      case "nothing-granted":
      case "too-many-codes": {
        const { formToken } = person;
        const page = { ...shown, formToken, entered, error: made.kind };
        const status = made.kind === "too-many-codes" ? 429 : 422;
        return sendPage(reply, offerPage(frame(request), page), status);
      }
    }
  });
}
