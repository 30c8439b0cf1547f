// HTTP for the question put to a person: show it, take the answer, send the code again; and the notices themselves.
// The decision is consent/approval/approvals.ts's; this only carries forms to it and pages back.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { WjfError } from "../../core/errors.ts";
import type { ConsentDb } from "../schema.ts";
import { approvalPage, outcomePage } from "./approval-page.ts";
import type { ApprovalResult, Approvals, PendingApproval } from "./approvals.ts";
import { noticeText } from "./notice.ts";
import { formOf, langOf, pathOf, sendPage } from "./page-request.ts";
import type { PageError } from "./wording.ts";

export interface ApprovalRouteParts {
  readonly approvals: Approvals;
  readonly db: ConsentDb;
}

interface CapabilityRoute {
  Params: { capability: string };
}

export function approvalRoutes(app: FastifyInstance, { approvals, db }: ApprovalRouteParts): void {
  app.get<CapabilityRoute>("/approvals/:capability", async (request, reply) => {
    const pending = await approvals.find(request.params.capability);
    if (!pending?.open) return sendClosed(request, reply);
    const page = approvalPage({ lang: langOf(request), path: pathOf(request), pending });
    return sendPage(reply, page);
  });

  app.post<CapabilityRoute>("/approvals/:capability", async (request, reply) => {
    const { capability } = request.params;
    const form = formOf(request);
    if (form.get("decision") === "deny") {
      return sendResult(request, reply, approvals, await approvals.deny(capability));
    }
    const result = await approvals.approve(capability, {
      code: (form.get("code") ?? "").trim(),
      classes: form.getAll("class"),
      recipient: form.get("recipient") === "yes",
      lang: langOf(request),
    });
    return sendResult(request, reply, approvals, result);
  });

  app.post<CapabilityRoute>("/approvals/:capability/code", async (request, reply) => {
    const { capability } = request.params;
    const error = await approvals.resend(capability).then(
      (sent) => (sent ? undefined : "closed"),
      (cause: unknown) => tooMany(cause),
    );
    const pending = await approvals.find(capability);
    if (error === "closed" || !pending?.open) return sendClosed(request, reply);
    const path = pathOf(request).replace(/\/code$/, "");
    const shown = error === undefined ? { resent: true } : { error };
    const page = approvalPage({ lang: langOf(request), path, pending, ...shown });
    return sendPage(reply, page, error === undefined ? 200 : 429);
  });

  app.get<{ Params: { sha256: string } }>("/notices/:sha256", async (request, reply) => {
    const body = await noticeText(db, request.params.sha256);
    if (body === undefined) throw new WjfError("route-unknown");
    // Its address is its digest: it can never change.
    return reply
      .headers({
        "content-type": "application/json; charset=utf-8",
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
      })
      .send(body);
  });
}

function tooMany(cause: unknown): PageError {
  if (cause instanceof WjfError && cause.code === "rate-limited") return "too-many";
  throw cause;
}

/** 404 for all three of answered, lapsed and never there: the page says no more than that. */
function sendClosed(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendPage(reply, outcomePage(langOf(request), pathOf(request), "closed"), 404);
}

async function sendResult(
  request: FastifyRequest<CapabilityRoute>,
  reply: FastifyReply,
  approvals: Approvals,
  result: ApprovalResult,
): Promise<FastifyReply> {
  switch (result.kind) {
    case "approved":
    case "denied":
    case "locked":
      return sendPage(reply, outcomePage(langOf(request), pathOf(request), result.kind));
    case "closed":
      return sendClosed(request, reply);
    case "code-wrong":
    case "recipient-missing":
    case "nothing-granted": {
      const pending = await approvals.find(request.params.capability);
      if (!pending?.open) return sendClosed(request, reply);
      return sendPage(reply, again(request, pending, result.kind), 422);
    }
  }
}

function again(request: FastifyRequest, pending: PendingApproval, error: PageError): string {
  const form = formOf(request);
  const entered = { classes: form.getAll("class"), recipient: form.get("recipient") === "yes" };
  return approvalPage({
    lang: langOf(request),
    path: pathOf(request),
    pending,
    entered,
    error,
  });
}
