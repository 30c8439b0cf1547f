// The Grafana dashboard and the Prometheus alerting rules: they parse, and what they name is measured. A failure: a metric, a label or
// an error code that the code does not have, or a metric of ours that nobody is shown.
import { readFileSync } from "node:fs";
import { type Counter, type Gauge, type Histogram, register } from "prom-client";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ERRORS } from "../../core/errors.ts";
import { metricsPage } from "../../core/metrics.ts";
import "../../consent/metrics.ts";
import "../../consent/log/leaf-metrics.ts";
import "../../core/http-metrics.ts";
import "../../gateway/alerts/metrics.ts";
import "../../gateway/metrics.ts";
import "../../proto/call-metrics.ts";
import "../../province-node/metrics.ts";

const read = (path: string): string =>
  readFileSync(new URL(`../../deploy/${path}`, import.meta.url), "utf8");

const Rules = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^[A-Z][A-Za-z]+$/),
          expr: z.string().min(1),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(["page", "ticket"]) }),
          annotations: z.strictObject({ summary: z.string().min(1) }),
        }),
      ),
    }),
  ),
});
const Dashboard = z.looseObject({
  title: z.string(),
  uid: z.string(),
  panels: z.array(
    z.looseObject({
      id: z.int(),
      title: z.string(),
      gridPos: z.strictObject({ h: z.int(), w: z.int(), x: z.int(), y: z.int() }),
      targets: z.array(z.looseObject({ refId: z.string(), expr: z.string().min(1) })).default([]),
    }),
  ),
});

const rules = Rules.parse(parse(read("alerts/weijifen.yaml"))).groups.flatMap((g) => g.rules);
const { panels } = Dashboard.parse(JSON.parse(read("grafana/weijifen.json")));
const expressions = [
  ...rules.map(({ alert, expr }) => ({ of: alert, expr })),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ of: title, expr }))),
];

/** Every name that a sample can have, with its metric's labels. */
const samples = new Map<string, readonly string[]>();

beforeAll(() => {
  metricsPage();
  for (const metric of register.getMetricsAsArray()) {
    const { labelNames } = metric as unknown as (Counter | Gauge | Histogram) & {
      labelNames: string[];
    };
    const parts = String(metric.type) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const part of parts) samples.set(metric.name + part, labelNames);
  }
});

const NAME = /\b(?:wjf|process|nodejs)_\w+/g;
/** Given to every sample by whoever scrapes, and to buckets by the format. */
const GIVEN = ["job", "instance", "le"];

describe.each(expressions)("$of: $expr", ({ expr }) => {
  test("names metrics that exist, by labels that they have", () => {
    const names = expr.match(NAME) ?? [];
    expect(names).not.toEqual([]);
    expect(names.filter((name) => !samples.has(name))).toEqual([]);
    const known = [...GIVEN, ...names.flatMap((name) => samples.get(name) ?? [])];
    for (const [, list = ""] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
      expect(known).toEqual(expect.arrayContaining(list.split(/,\s*/)));
    }
    for (const [, name = "", selector = ""] of expr.matchAll(/(\w+)\{([^}]*)\}/g)) {
      const labels = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, l = ""]) => l);
      expect(samples.get(name)).toEqual(expect.arrayContaining(labels));
    }
  });

  test("names codes that exist, and closes what it opens", () => {
    for (const [, operator, value = ""] of expr.matchAll(/\bcode(=~|!=|=)"([^"]*)"/g)) {
      const pattern = new RegExp(`^(${value})$`);
      const codes = ["ok", ...Object.keys(ERRORS)];
      if (operator === "=~") {
        for (const each of value.replace(/^\((.*)\)/, "").split("|")) {
          if (/^[a-z-]+$/.test(each)) expect(codes).toContain(each);
        }
        expect(codes.some((code) => pattern.test(code))).toBe(true);
      } else expect(codes).toContain(value);
    }
    const count = (character: string): number => expr.split(character).length;
    for (const [open = "", close = ""] of ["()", "{}", "[]"])
      expect(count(open), open).toBe(count(close));
    expect(count('"') % 2).toBe(1);
  });
});

test("every metric of ours is shown, or watched", () => {
  const shown = new Set(expressions.flatMap(({ expr }) => expr.match(NAME) ?? []));
  const unseen = register
    .getMetricsAsArray()
    .map(({ name }) => name)
    .filter((name) => name.startsWith("wjf_"))
    .filter((name) => ![name, `${name}_bucket`, `${name}_sum`].some((each) => shown.has(each)));
  expect(unseen).toEqual([]);
});

test("alerts are named once, panels numbered once, and no two lie on each other", () => {
  const names = rules.map(({ alert }) => alert);
  expect(new Set(names).size).toBe(names.length);
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
    Array.from({ length: h * w }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});
