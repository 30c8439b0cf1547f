// A result as a page: the figures as a table, what grows as plots (Mermaid's xychart, which the usual viewers of Markdown draw).

export interface Plot {
  readonly title: string;
  readonly x: { readonly name: string; readonly values: readonly number[] };
  readonly y: { readonly name: string; readonly values: readonly number[] };
}

export function metricsTable(metrics: Readonly<Record<string, number>>): string {
  const rows = Object.entries(metrics).map(([key, value]) => `| ${key} | ${format(value)} |`);
  return `| metric | value |\n|---|---|\n${rows.join("\n")}\n`;
}

export interface Report {
  readonly name: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly plots: readonly Plot[];
}

export function reportPage({ name, machine, metrics, plots }: Report): string {
  const where = Object.entries(machine).map(([key, value]) => `${key} ${value}`);
  const parts = [`# ${name}`, where.join(", "), metricsTable(metrics), ...plots.map(drawn)];
  return `${parts.join("\n\n")}\n`;
}

function drawn({ title, x, y }: Plot): string {
  return [
    "```mermaid",
    "xychart-beta",
    `  title "${title}"`,
    `  x-axis "${x.name}" [${x.values.map((value) => `"${format(value)}"`).join(", ")}]`,
    `  y-axis "${y.name}" 0 --> ${Math.max(...y.values) * 1.1}`,
    `  line [${y.values.join(", ")}]`,
    "```",
  ].join("\n");
}

function format(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
