// HTTP for the person's portal: their score, who asked about them, what they dispute, and an export of it all. A session
// (consent/approval/person-session.ts) sees only what was asked over its phone; anything else is not found.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Catalogue } from "../../catalogue/index.ts";
import { QueryId } from "../../core/ids.ts";
import { personOfRequest, requireFormToken, sendSignIn } from "../approval/consents-routes.ts";
import { formOf, langOf, pathOf, sendPage } from "../approval/page-request.ts";
import type { PersonSession } from "../approval/person-session.ts";
import type { ConsentService } from "../consent-service.ts";
import type { AuthorityDb, ConsentLedger } from "../ledger.ts";
import { Objections, STATEMENT_MAX } from "../objections.ts";
import { exportPerson } from "./person-export.ts";
import { readPersonQueries } from "./person-queries.ts";
import {
  noQueryPage,
  objectionsPage,
  type PortalFrame,
  queriesPage,
  queryPage,
  scorePage,
} from "./portal-pages.ts";

export interface PortalParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly catalogue: Catalogue;
}

interface QueryRoute {
  Params: { id: string };
}

interface Person {
  readonly session: PersonSession;
  readonly formToken: string;
}

/** A page's list; the export has everything. */
const SHOWN = 500;

export function portalRoutes(
  app: FastifyInstance,
  service: ConsentService,
  { db, ledger, catalogue }: PortalParts,
): void {
  const { sessions } = service;
  const { atRest, clock } = service.options;
  const objections = new Objections({ db, ledger, atRest });
  const reading = { db, atRest, catalogue };
  const frame = (request: FastifyRequest): PortalFrame => ({
    lang: langOf(request),
    path: pathOf(request),
    catalogue,
  });

  /** A page for whoever is signed in; the sign-in form for everybody else. */
  const get = (
    path: string,
    answer: (request: FastifyRequest, reply: FastifyReply, of: Person) => Promise<FastifyReply>,
  ): void => {
    app.get(path, async (request, reply) => {
      const person = personOfRequest(request, sessions);
      return person === undefined ? sendSignIn(request, reply) : answer(request, reply, person);
    });
  };

  get("/portal", async (request, reply, { session: { contactIndex } }) =>
    sendPage(reply, scorePage(frame(request), await readPersonQueries(reading, { contactIndex }))),
  );

  get("/portal/queries", async (request, reply, { session: { contactIndex } }) => {
    const queries = await readPersonQueries(reading, { contactIndex, limit: SHOWN });
    return sendPage(reply, queriesPage(frame(request), queries));
  });

  get("/portal/objections", async (request, reply, { session }) =>
    sendPage(
      reply,
      objectionsPage(frame(request), await objections.ofPerson(session.contactIndex)),
    ),
  );

  get("/portal/export", async (_request, reply, { session }) =>
    reply
      .headers({
        "content-type": "application/json; charset=utf-8",
        "content-disposition": 'attachment; filename="weijifen-export.json"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      })
      .send(
        JSON.stringify(
          await exportPerson({ ...reading, objections, clock }, session.contactIndex),
          null,
          2,
        ),
      ),
  );

  const sendQuery = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { session: { contactIndex }, formToken }: Person,
    wrong = false,
  ): Promise<FastifyReply> => {
    const queryId = QueryId.safeParse((request.params as QueryRoute["Params"]).id);
    const [query] = queryId.success
      ? await readPersonQueries(reading, { contactIndex, queryId: queryId.data })
      : [];
    if (query === undefined) return sendPage(reply, noQueryPage(frame(request)), 404);
    const all = await objections.ofPerson(contactIndex);
    const about = all.filter((objection) => objection.queryId === query.queryId);
    const shown = { query, objections: about, formToken, wrong };
    return sendPage(reply, queryPage(frame(request), shown), wrong ? 422 : 200);
  };

  get("/portal/queries/:id", sendQuery);

  app.post<QueryRoute>("/portal/queries/:id", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply, "session-over");
    requireFormToken(request, sessions);
    const statement = (formOf(request).get("statement") ?? "").trim();
    if (statement === "" || statement.length > STATEMENT_MAX) {
      return sendQuery(request, reply, person, true);
    }
    const review = formOf(request).get("review") === "yes";
    await objections.file(person.session.contactIndex, request.params.id, statement, review);
    return reply.redirect(`${pathOf(request)}?lang=${langOf(request)}`, 303);
  });
}
