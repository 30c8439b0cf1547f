// The classes of data that a product draws on, in the words the person reads. `sensitive` follows PIPL article 28
// (whereabouts, financial accounts, what can harm a person if it leaks) and takes a consent of its own (article 29).
export interface DataClass {
  readonly zh: string;
  readonly en: string;
  readonly sensitive: boolean;
}

export const DATA_CLASSES = {
  identity: {
    zh: "实名登记信息（姓名、证件号码是否一致）",
    en: "real-name registration (whether name and ID number agree)",
    sensitive: false,
  },
  account: {
    zh: "入网时长、套餐与号码状态",
    en: "how long the number has been in use, its plan and state",
    sensitive: false,
  },
  spending: {
    zh: "话费消费金额档次",
    en: "how much is spent on telecom services",
    sensitive: false,
  },
  payment: {
    zh: "缴费与欠费记录",
    en: "payment and arrears record",
    sensitive: true,
  },
  location: {
    zh: "位置与行踪（常驻、工作与到访区域）",
    en: "whereabouts (where you live, work and go)",
    sensitive: true,
  },
  contacts: {
    zh: "通话与联系人情况（不含通话内容）",
    en: "calls and contacts (never what was said)",
    sensitive: true,
  },
  online: {
    zh: "上网与应用使用偏好",
    en: "use of apps and websites",
    sensitive: true,
  },
  device: { zh: "终端与SIM卡更换情况", en: "changes of handset and SIM card", sensitive: false },
  risk: {
    zh: "风险名单命中情况",
    en: "whether the number is on a risk list",
    sensitive: true,
  },
} as const satisfies Record<string, DataClass>;

export type DataClassId = keyof typeof DATA_CLASSES;

/** What the approval page has to know of a product. */
export interface ProductNotice {
  readonly ref: string;
  readonly zh: string;
  readonly en: string;
  readonly dataClasses: readonly DataClassId[];
}

export type FindProduct = (ref: string) => ProductNotice | undefined;
