// A tag (CATALOGUE §6): a named predicate over the indicator library. Tags come in classes; a tags product answers
// with the tags of its classes that hold.
import { z } from "zod";
import { RelationId } from "./indicator.ts";
import type { Predicate } from "./predicate.ts";

export const TagClassDeclaration = z.strictObject({
  id: RelationId,
  zh: z.string().min(1),
  en: z.string().min(1),
  tags: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z][a-z0-9-]*$/, "a tag id: lower-case-words"),
        zh: z.string().min(1),
        en: z.string().min(1),
        test: z.unknown(),
      }),
    )
    .min(1),
});

export interface Tag {
  readonly id: string;
  readonly class: string;
  readonly zh: string;
  readonly en: string;
  readonly test: Predicate;
}

export interface TagClass {
  readonly id: string;
  readonly zh: string;
  readonly en: string;
  readonly tags: readonly Tag[];
}
