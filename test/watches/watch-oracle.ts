// What the 24 post-loan conditions say about one number, by what they mean (CATALOGUE §5), over the oracle's own reading of
// the raw rows; and what an institution must be told from one day to the next, by a bookkeeping of its own. It shares no path
// with the product: no declaration's tree, no packed slots, no kept states.
import { daysInDistrict, daysSinceCall } from "../../province-node/sandbox/oracle/habits.ts";
import { scored } from "../../province-node/sandbox/oracle/model-score.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import { EvidenceMean } from "../../province-node/sandbox/oracle/score-answer.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";

type Truth = boolean | null;

/** Crossed and well again, each as far as it can be told. */
type Verdict = readonly [crossed: Truth, back: Truth];

const CANNOT_TELL: Verdict = [null, null];

/** A number, the same number when the watch began, and the parameters. */
type Judge = (
  now: NumberReading,
  began: NumberReading | undefined,
  asked: { param: (name: string) => number; claim: (name: string) => string },
) => Verdict;

function on(id: string, judge: (value: number) => Verdict): Judge {
  return (now) => {
    const value = now.value(id);
    return value === null ? CANNOT_TELL : judge(value);
  };
}

const status = (crossed: number, back: (value: number) => boolean): Judge =>
  on("id.status", (value) => [value === crossed, back(value)]);

/** Recent when at most so many days have passed. */
const within =
  (id: string): Judge =>
  (now, _, { param }) => {
    const days = now.value(id);
    return days === null ? CANNOT_TELL : [days <= param("days"), days > param("days")];
  };

/** Too long when so many days have passed; well when hardly any have. */
const silent =
  (id: string, wellDays: number): Judge =>
  (now, _, { param }) => {
    const days = now.value(id);
    return days === null ? CANNOT_TELL : [days >= param("days"), days <= wellDays];
  };

const moved =
  (id: string): Judge =>
  (now, began) => {
    const [is, was] = [now.value(id), began?.value(id) ?? null];
    return is === null || was === null ? CANNOT_TELL : [is !== was, is === was];
  };

/** Down by a share of an earlier level that is worth falling from. */
const fallen =
  (id: string, levelId: string, worth: number): Judge =>
  (now, _, { param }) => {
    const [is, level] = [now.value(id), now.value(levelId)];
    const down = (than: number): Truth =>
      is === null || level === null ? null : is * 100 <= level * (100 - than);
    const worthIt: Truth = level === null ? null : level >= worth;
    const crossed =
      worthIt === false || down(param("share")) === false
        ? false
        : worthIt === null || down(param("share")) === null
          ? null
          : true;
    const back = is === null || level === null ? null : is * 100 >= level * (110 - param("share"));
    return [crossed, back];
  };

function score(number: NumberReading): number | null {
  const model = number.parameters.models.get("credit-score@1");
  if (model === undefined) throw new TypeError("no credit score");
  return new EvidenceMean([[scored(number, model, {})]]).value(model);
}

function either(a: Truth, b: Truth): Truth {
  return a === true || b === true ? true : a === null || b === null ? null : false;
}

function both(a: Truth, b: Truth): Truth {
  return a === false || b === false ? false : a === null || b === null ? null : true;
}

function less(a: number | null, b: number | null): Truth {
  return a === null || b === null ? null : a < b;
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

const collection = (number: NumberReading | undefined): number | null => {
  const [messages, calls] = [
    number?.value("val.collection_messages_30d") ?? null,
    number?.value("net.collection_calls_30d") ?? null,
  ];
  return messages === null || calls === null ? null : messages + calls;
};

export const JUDGES: Readonly<Record<string, Judge>> = {
  "watch.closed": status(3, (value) => value !== 3),
  "watch.suspended_arrears": status(1, (value) => value === 0),
  "watch.suspended_voluntary": status(2, (value) => value === 0),
  "watch.sim_changed": within("id.days_since_sim_change"),
  "watch.device_changed": (now, _, { param }) => {
    const [age, devices] = [now.value("id.device_age_days"), now.value("id.devices_12m")];
    const young: Truth = age === null ? null : age <= param("days");
    const crossed = both(young, devices === null ? null : devices > 1);
    return [crossed, not(crossed)];
  },
  "watch.switched_off": silent("net.days_since_active", 1),
  "watch.transferred": (now, began) => {
    const recycled = less(began?.value("id.recycled") ?? null, now.value("id.recycled"));
    const younger = less(now.value("id.tenure_months"), began?.value("id.tenure_months") ?? null);
    const crossed = either(recycled, younger);
    return [crossed, not(crossed)];
  },
  "watch.forwarded": (now, _, { param }) => {
    const share = now.value("net.forwarded_share_7d");
    return share === null ? CANNOT_TELL : [share >= param("share"), share * 2 < param("share")];
  },
  "watch.left_city": silent("loc.days_since_usual_city", 2),
  "watch.new_city": moved("loc.resident_city"),
  "watch.work_changed": moved("loc.work_district_30d"),
  "watch.home_changed": moved("loc.home_district_30d"),
  "watch.abroad": within("loc.days_since_abroad"),
  "watch.out_of_sight": silent("loc.days_since_seen", 1),
  "watch.high_risk_area": (now, _, { claim }) => {
    const { least, most } = daysInDistrict(now, claim("district_code"), 7);
    if (least === 0 && most > 0) return CANNOT_TELL;
    return [least > 0, least === 0];
  },
  "watch.calls_down": fallen("net.calls_out_30d", "net.calls_out_prev_30d", 5),
  "watch.circle_shrank": fallen("net.circle_30d", "net.circle_prev_30d", 5),
  "watch.collection_up": (now, began, { param }) => {
    const [is, was] = [collection(now), collection(began)];
    return is === null || was === null ? CANNOT_TELL : [is - was >= param("n"), is <= was];
  },
  "watch.contact_silent": (now, _, { param, claim }) => {
    const days = daysSinceCall(now, claim("contact_msisdn"));
    return days === null ? CANNOT_TELL : [days >= param("days"), days < param("days")];
  },
  "watch.arrears": on("use.arrears_last_month", (value) => [value > 0, value === 0]),
  "watch.spending_down": fallen("use.spend_last_month", "use.spend_avg_6m", 10),
  "watch.plan_down": (now, began) => {
    const lower = less(now.value("use.plan_fee"), began?.value("use.plan_fee") ?? null);
    return [lower, not(lower)];
  },
  "watch.risky_apps_up": (now, _, { param }) => {
    const [is, was] = [now.value("val.risky_apps_30d"), now.value("val.risky_apps_prev_30d")];
    return is === null || was === null ? CANNOT_TELL : [is - was >= param("n"), is <= was];
  },
  "watch.score_fell": (now, began, { param }) => {
    const [is, was] = [score(now), began === undefined ? null : score(began)];
    const [points, threshold] = [param("points"), param("threshold")];
    const fell = is === null || was === null ? null : was - is >= points;
    const hardlyFell = is === null || was === null ? null : (was - is) * 2 < points;
    return [
      either(fell, less(is, threshold)),
      both(hardlyFell, is === null ? null : is >= threshold + 10),
    ];
  },
};

export function judge(
  condition: AskedCheck,
  numbers: readonly NumberReading[],
  began: readonly NumberReading[],
): Day {
  const verdicts = numbers.map((now) => {
    const { msisdn } = now.history.subscriber;
    const before = began.find(({ history }) => history.subscriber.msisdn === msisdn);
    const verdict = JUDGES[condition.indicator];
    if (verdict === undefined) throw new TypeError(`nobody judges ${condition.indicator}`);
    return verdict(now, before, {
      param: (name) => condition.params?.[name] ?? Number.NaN,
      claim: (name) => String(condition.claim?.[name]),
    });
  });
  const told = verdicts.filter(([crossed]) => crossed !== null);
  if (told.length === 0) return "dark";
  if (told.some(([crossed]) => crossed === true)) return "bad";
  return told.every(([, back]) => back === true) ? "good" : "so-so";
}

/** How a condition is on one day. */
export type Day = "bad" | "good" | "so-so" | "dark";

/** What is told on the last of these days, from the first evaluation on; undefined when it is no news. */
export function news(days: readonly Day[]): "crossed" | "back" | "unknown" | undefined {
  const standing = (until: number): "crossed" | "back" | "unknown" => {
    if (days[until - 1] === "dark") return "unknown";
    const clear = days.slice(0, until).findLast((day) => day === "bad" || day === "good");
    return clear === "bad" ? "crossed" : "back";
  };
  const now = standing(days.length);
  return now === standing(days.length - 1) ? undefined : now;
}
