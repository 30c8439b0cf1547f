// A training job's report as one HTML page that needs nothing else: what was learnt, how well it separates, of which columns, and what
// the figures mean. The same figures for a machine: train-report.ts. Labels in English and Chinese.
import { html, type Html } from "../core/html.ts";
import { PAGE_STYLE } from "./page-style.ts";
import type { TrainingReport } from "./train-report.ts";
import { dataTable, featureSections, named } from "./train-report-features.ts";
import { regionTable } from "./train-report-regions.ts";
import {
  bandChart,
  calibrationChart,
  ksChart,
  liftChart,
  percent,
  rocChart,
} from "./train-report-charts.ts";

/** @returns a whole document. */
export function trainingPage(report: TrainingReport): string {
  const { job, cohort, evaluation } = report;
  const title = `Training report 训练报告 · ${job.id}`;
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>${title}</title>
      ${PAGE_STYLE}
    </head>
    <body>
      <main>
        <h1>${title}</h1>
        <p class="soft">
          ${job.client} · ${job.purpose} · ${job.provinces} provinces 省 · ${job.created_at}. Labels
          were encrypted, features never left a province. 标签全程加密，特征不出省。
        </p>
        ${tiles(report)} ${evaluation && separation(evaluation)} ${coefficients(report)}
        ${featureSections(report.features)} ${scorecard(report)} ${correlations(report)}
        ${convergence(report)}
        <h2>Reading 说明</h2>
        <div class="card">
          <ul>
            ${notes(report).map((note) => html`<li>${note}</li>`)}
          </ul>
        </div>
        <p class="soft">
          ${cohort.people.toLocaleString("en")} people, ${cohort.bad.toLocaleString("en")} bad;
          every figure is about at least 20 of them. 每项统计不少于 20 人。
        </p>
      </main>
    </body>
  </html>`;
  return `<!doctype html>\n${String(page)}\n`;
}

function tiles({ cohort, evaluation, coefficients: model, scorecard: card }: TrainingReport): Html {
  const shown: (readonly [string, string])[] = [
    [cohort.people.toLocaleString("en"), "people 人数"],
    [percent(cohort.bad_rate), "bad 坏客户占比"],
    [String(model.length - 1), "in the model 入模变量"],
  ];
  if (evaluation !== undefined) {
    shown.push(
      [evaluation.auc.toFixed(4), "AUC"],
      [evaluation.ks.toFixed(4), "KS"],
      [evaluation.gini.toFixed(4), "Gini"],
    );
  }
  if (card?.auc) shown.push([card.auc.toFixed(4), "scorecard AUC 评分卡"]);
  return html`<div class="tiles">
    ${shown.map(
      ([value, label]) =>
        html`<div class="card"><b>${value}</b><span class="soft">${label}</span></div>`,
    )}
  </div>`;
}

function separation(evaluation: NonNullable<TrainingReport["evaluation"]>): Html {
  const { curve, deciles, auc, ks } = evaluation;
  return html`<h2>How well it separates 区分度</h2>
    <div class="pair">
      <div class="card">
        <h3>ROC</h3>
        ${rocChart(curve, auc)}
      </div>
      <div class="card">
        <h3>KS</h3>
        ${ksChart(curve, ks)}
      </div>
      <div class="card">
        <h3>Calibration 校准</h3>
        ${calibrationChart(deciles)}
      </div>
      <div class="card">
        <h3>Lift 提升度</h3>
        ${liftChart(deciles)}
      </div>
    </div>
    <div class="card wide" role="region" aria-label="Tenths" tabindex="0" style="margin-top:.8rem">
      ${dataTable(
        [
          "tenth 分位",
          "people 人数",
          "bad 坏",
          "observed 实际",
          "expected 预测",
          "lift",
          "captured 累计捕获",
        ],
        deciles.map((each, i) => [
          String(i + 1),
          each.people.toLocaleString("en"),
          each.bad.toLocaleString("en"),
          percent(each.bad_rate),
          percent(each.expected),
          each.lift.toFixed(2),
          percent(each.captured),
        ]),
        0,
      )}
    </div>
    ${evaluation.by_region !== null && regionTable(evaluation.by_region)}`;
}

function coefficients({ coefficients: model, fit }: TrainingReport): Html {
  return html`<h2>Coefficients 系数</h2>
    <div class="card wide" role="region" aria-label="Coefficients" tabindex="0">
      ${dataTable(
        ["column 变量", "estimate 估计", "standard error 标准误", "z", "p"],
        model.map((each) => [
          html`${named(each)}${
            each.feature !== null &&
            each.feature !== each.en &&
            html` <span class="soft">${each.feature}</span>`
          }`,
          each.estimate.toFixed(4),
          each.standard_error.toFixed(4),
          each.z.toFixed(2),
          significance(each.p),
        ]),
      )}
      <p class="soft">
        Log-likelihood ${fit.log_likelihood.toFixed(2)}, of the intercept alone
        ${fit.null_log_likelihood.toFixed(2)}; McFadden's R² ${fit.pseudo_r2.toFixed(4)};
        ${fit.effective_parameters.toFixed(2)} effective parameters.
      </p>
    </div>`;
}

function significance(p: number): string {
  return p < 0.0001 ? "< 0.0001" : p.toFixed(4);
}

function scorecard({ scorecard: card }: TrainingReport): Html | false {
  if (card === null) return false;
  const { scale, offset, psi_baseline: bands } = card;
  return html`<h2>Scorecard and PSI baseline 评分卡与稳定性基准</h2>
    <div class="pair">
      ${bands.length > 0 && html`<div class="card">${bandChart(bands)}</div>`}
      <div class="card wide" role="region" aria-label="Score bands" tabindex="0">
        <p>
          ${scale.basePoints} points at odds of ${scale.baseOdds} : 1; ${scale.pdo} more double the
          odds. ${scale.min} to ${scale.max}; offset ${offset}. 基准分 ${scale.basePoints}（好坏比
          ${scale.baseOdds} : 1），PDO ${scale.pdo}。
        </p>
        ${
          bands.length > 0 &&
          dataTable(
            ["score 分数", "share 占比", "bad 坏"],
            bands.map(({ from, to, share, bad_rate }) => [
              from === null
                ? `up to ${to ?? ""}`
                : to === null
                  ? `from ${from}`
                  : `${from} – ${to}`,
              percent(share),
              percent(bad_rate),
            ]),
          )
        }
      </div>
    </div>`;
}

const PAIRS = 12;

function correlations({ correlation, features: all }: TrainingReport): Html | false {
  const pairs = correlation.matrix.flatMap((row, i) =>
    row.flatMap((r, j) => (j > i ? [{ i, j, r }] : [])),
  );
  if (pairs.length === 0) return false;
  pairs.sort((a, b) => Math.abs(b.r) - Math.abs(a.r));
  const name = (at: number): string => (all[at] === undefined ? "" : named(all[at]));
  return html`<h2>Correlation 相关性</h2>
    <div class="card wide" role="region" aria-label="Correlation" tabindex="0">
      <p class="soft">
        The ${Math.min(PAIRS, pairs.length)} pairs that go together most; all are in the JSON twin.
        相关性最高的变量对。
      </p>
      ${dataTable(
        ["", "", "r"],
        pairs.slice(0, PAIRS).map(({ i, j, r }) => [name(i), name(j), r.toFixed(3)]),
        2,
      )}
    </div>`;
}

function convergence({ fit, cost }: TrainingReport): Html {
  const mega = (of: number): string => `${(of / 1e6).toFixed(1)} MB`;
  const { bytes, seconds, rounds } = cost;
  const whole = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const went = rounds === null ? "" : `${rounds} rounds over all provinces, `;
  const sent =
    bytes === null
      ? ""
      : `; the bank sent ${mega(bytes.bank)}, all provinces ${mega(bytes.provinces)}, the gateway ${mega(bytes.gateway)}`;
  return html`<h2>Convergence and cost 收敛与开销</h2>
    <div class="card wide" role="region" aria-label="Convergence and cost" tabindex="0">
      ${dataTable(
        [
          "step 步",
          "log-likelihood 对数似然",
          "largest gradient 最大梯度",
          "largest move 最大变化",
        ],
        fit.steps.map(({ step, logLikelihood, gradient, change }) => [
          String(step),
          logLikelihood.toFixed(4),
          gradient.toExponential(2),
          change.toExponential(2),
        ]),
        0,
      )}
      <p class="soft">${went}${whole.toFixed(1)} s${sent}.</p>
    </div>`;
}

function notes({
  options,
  evaluation,
  coefficients: model,
  scorecard: card,
}: TrainingReport): string[] {
  const all = [
    options.l2 > 0
      ? `Standard errors come from the inverse of XᵀSX + ${options.l2}·I at the optimum. The penalty draws coefficients towards 0 and makes errors a little small, so p-values are a guide. 含 L2 惩罚，p 值仅供参考。`
      : "Standard errors come from the inverse of the observed information XᵀSX at the optimum.",
    "Columns were chosen and cut on these same people: a coefficient's p-value does not know of that, and AUC and KS are of the people trained on. 指标均为训练样本内结果。",
  ];
  const turned = model.filter(({ feature, estimate }) => feature !== null && estimate > 0);
  if (options.columns === "woe" && turned.length > 0) {
    all.push(
      `${turned.map(named).join(", ")}: the coefficient has the sign against its own bins, because other columns say the same better. 系数符号与分箱相反，建议剔除。`,
    );
  }
  if (evaluation !== undefined) {
    all.push(
      "The curves are drawn through about twenty groups of at least 20 people; AUC and KS were counted in finer cells, which the authority does not release.",
    );
  }
  if (card !== null) {
    all.push(
      "PSI compares later people with the shares above: Σ (a − e)·ln(a / e). Below 0.1 little has changed, above 0.25 much. PSI < 0.1 稳定，> 0.25 显著漂移。",
    );
  }
  return all;
}
