// What the delivery of alerts measures. Neither institutions nor watches are counted by name, and nothing by what an alert says.
import { Counter, Histogram } from "prom-client";
import { liveGauge } from "../../core/metrics.ts";

export const alertsDelivered = new Counter({
  name: "wjf_gateway_alerts_delivered_total",
  help: "Alerts that their sink has taken",
});
export const alertsFailed = new Counter({
  name: "wjf_gateway_alert_attempts_failed_total",
  help: "Attempts to deliver an alert that failed, by reason",
  labelNames: ["reason"],
});
export const alertsDead = new Counter({
  name: "wjf_gateway_alerts_dead_total",
  help: "Alerts given up, by the reason of the last attempt",
  labelNames: ["reason"],
});
export const alertLag = new Histogram({
  name: "wjf_gateway_alert_lag_seconds",
  help: "Time from what an alert tells of until its sink took it",
  buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43_200, 259_200],
});
export const alertsPending = liveGauge(
  "wjf_gateway_alerts_pending",
  "Alerts neither delivered nor given up, as this process last saw",
);
