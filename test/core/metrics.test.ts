// Gauges that are read when they are asked for, and the listener of a party without HTTP: this machine only, one path only.
import { register } from "prom-client";
import { expect, test } from "vitest";
import { liveGauge } from "../../core/metrics.ts";
import { listenForMetrics } from "../../core/metrics-listener.ts";

test("a live gauge shows what its readers say now, and nothing of one that is gone", async () => {
  const gauge = liveGauge("wjf_test_level", "A level", "place");
  let level = 1;
  const sample = async (): Promise<string[]> =>
    (await register.getSingleMetricAsString("wjf_test_level"))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
  using _roof = gauge.watch((show) => show(level, { place: "roof" }));
  {
    using _cellar = gauge.watch((show) => show(-level, { place: "cellar" }));
    expect(await sample()).toEqual([
      'wjf_test_level{place="roof"} 1',
      'wjf_test_level{place="cellar"} -1',
    ]);
  }
  level = 2;
  expect(await sample()).toEqual(['wjf_test_level{place="roof"} 2']);
});

test("the listener answers at its path, and says when its port is taken", async () => {
  await using listener = await listenForMetrics(0);
  const origin = `http://127.0.0.1:${listener.port}`;
  const response = await fetch(`${origin}/metrics`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain("process_cpu_seconds_total");
  expect((await fetch(`${origin}/metrics/`)).status).toBe(404);
  expect((await fetch(`${origin}/metrics`, { method: "DELETE" })).status).toBe(404);
  await expect(listenForMetrics(listener.port)).rejects.toThrow(
    expect.objectContaining({ code: "port-in-use" }),
  );
});
