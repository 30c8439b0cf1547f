// The purposes that a consent can have: terms of the W3C Data Privacy Vocabulary 2 (w3.org/ns/dpv), written as the
// CAMARA consent profile writes them. A purpose that is not listed cannot be asked for by anybody.
import type { PurposeScope } from "./consent-claims.ts";

export interface Purpose {
  readonly id: PurposeScope;
  readonly zh: string;
  readonly en: string;
}

export const PURPOSES: readonly Purpose[] = [
  {
    id: "dpv:CreditChecking",
    zh: "评估您的信用状况，决定是否向您提供信贷",
    en: "to assess your credit standing and decide whether to lend to you",
  },
  {
    id: "dpv:IdentityVerification",
    zh: "核实您的身份与您提供的信息是否属实",
    en: "to verify your identity and the details you gave",
  },
  {
    id: "dpv:FraudPreventionAndDetection",
    zh: "防范和识别冒用您身份或账户的欺诈行为",
    en: "to prevent and detect fraud in your name",
  },
  {
    id: "dpv:CustomerSolvencyMonitoring",
    zh: "在贷款期间关注您的还款能力变化",
    en: "to watch for changes in your ability to repay while a loan runs",
  },
  {
    id: "dpv:PersonalisedBenefits",
    zh: "为您提供个性化的权益与额度",
    en: "to offer you terms and benefits that fit you",
  },
];

const byId = new Map<string, Purpose>(PURPOSES.map((purpose) => [purpose.id, purpose]));

export function findPurpose(id: string): Purpose | undefined {
  return byId.get(id);
}
