// What the authority measures beside its log's leaves (consent/log/leaf-metrics.ts): homomorphic operations, its epoch and how much
// of it is used up, who follows. Never an institution, a person or an answer.
import { Histogram } from "prom-client";
import { liveGauge, SECONDS } from "../core/metrics.ts";
import type { EpochKeeper } from "./epochs.ts";
import type { FollowHub } from "./follow-hub.ts";

export const heDurations = new Histogram({
  name: "wjf_authority_he_duration_seconds",
  help: "Computing time of homomorphic operations, by operation",
  labelNames: ["operation"],
  buckets: SECONDS,
});

const epoch = liveGauge("wjf_authority_epoch", "The newest epoch");
const epochEnds = liveGauge(
  "wjf_authority_epoch_end_timestamp_seconds",
  "When the newest epoch ends; the next is opened before",
);
const epochReleases = liveGauge(
  "wjf_authority_epoch_releases",
  "Releases under the newest epoch, by all replicas",
);
const epochBudget = liveGauge(
  "wjf_authority_epoch_releases_limit",
  "Releases after which the next epoch is opened",
);
const followers = liveGauge(
  "wjf_authority_followers",
  "Parties that follow the federation's state, by kind: gateway, node",
  "kind",
);

export interface Watched {
  readonly epochs: EpochKeeper;
  readonly hub: FollowHub;
}

/** Shows the running authority in the gauges, until disposed. */
export function watchAuthority({ epochs, hub }: Watched): Disposable {
  const watches = new DisposableStack();
  watches.use(epoch.watch((show) => show(epochs.current().number)));
  watches.use(epochEnds.watch((show) => show(epochs.current().roster.not_after)));
  watches.use(epochReleases.watch((show) => show(epochs.releases)));
  watches.use(epochBudget.watch((show) => show(epochs.terms.maxReleases)));
  watches.use(
    followers.watch((show) => {
      for (const kind of ["gateway", "node"] as const) show(hub.followers(kind), { kind });
    }),
  );
  return watches;
}
