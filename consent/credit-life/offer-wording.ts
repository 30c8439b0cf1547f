// The sentences of credit life, in Chinese and English side by side (consent/approval/wording.ts has those of consent).
import type { Lang } from "../approval/wording.ts";

const zh = {
  title: "信用生活",
  lead: "凭信用享受免押金等优惠。商家只会得知您是否达到条件（是 / 否 / 未知），不会得知您的分数、姓名或手机号。",
  none: "目前没有可用的优惠。",
  condition: "条件",
  until: (time: string) => `有效期至 ${time}`,
  get: "查看并取码",
  make: "同意并生成一次性码",
  makeHelp:
    "生成码即表示您同意以上内容。码在 10 分钟内有效，只能使用一次；在“我的授权”中可随时撤回。",
  code: "请向商家出示此码",
  scan: "可扫描的二维码",
  valid: (time: string) => `${time} 前有效，仅限使用一次。请只向该商家出示。`,
  withdraw: "不想使用了？撤回授权，此码即作废：",
  all: "全部优惠",
  goneTitle: "该优惠已结束",
};

export type OfferWording = typeof zh;

const en: OfferWording = {
  title: "Credit life",
  lead: "Your credit in place of a deposit, and more. The merchant learns only whether you reach the condition (yes, no or unknown): not your score, your name or your number.",
  none: "There are no offers now.",
  condition: "Condition",
  until: (time) => `until ${time}`,
  get: "Look, and get a code",
  make: "Agree and make a one-time code",
  makeHelp:
    "Making the code is agreeing to the above. It is valid for 10 minutes and for one use; you can withdraw it under “My consents”.",
  code: "Show this code to the merchant",
  scan: "The code to scan",
  valid: (time) => `Valid until ${time}, for one use. Show it to this merchant only.`,
  withdraw: "Changed your mind? Withdraw the consent, and the code is void:",
  all: "All offers",
  goneTitle: "This offer is over",
};

export function offerWording(lang: Lang): OfferWording {
  return lang === "en" ? en : zh;
}
