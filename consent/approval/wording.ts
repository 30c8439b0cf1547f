// Every sentence a person reads, in Chinese and English, side by side so that neither falls behind the other. What a
// sentence means for consent is versioned with the notice (NOTICE_VERSION): change both together.
import type { Period } from "../consent-claims.ts";

export const LANGS = ["zh-CN", "en"] as const;
export type Lang = (typeof LANGS)[number];

const zh = {
  site: "微积分授权中心",
  language: "语言",
  askTitle: "请您决定：是否同意这次查询",
  asks: (name: string) => `${name} 请求查询您的信息`,
  who: "谁在请求",
  contact: "联系方式",
  why: "用途",
  what: "查询内容",
  data: "涉及的数据",
  answer: "对方得到的结果",
  results: { boolean: "仅“是 / 否 / 未知”", score: "一个分数及其主要原因", tags: "若干标签" },
  howOften: "次数",
  onetime: (n: number) => `共 ${n} 次`,
  periodic: (n: number, unit: string, value: number) =>
    `每${unit}最多 ${value} 次，共不超过 ${n} 次`,
  term: "授权有效期",
  termFrom: (period: string) => `自您同意起 ${period}`,
  retention: "对方可保存结果",
  unitNames: { HOUR: "小时", DAY: "天", WEEK: "周", MONTH: "月", YEAR: "年" },
  rawStays: "您的原始数据始终留在运营商的省级系统内，不会交给对方。结果由各省加密计算后汇总得出。",
  rights: "您可以拒绝，这不影响您使用电信服务。同意之后，您可以随时在“我的授权”中暂停或撤回。",
  sensitive: "（敏感个人信息）",
  binding: "对方页面上显示的核对码",
  separate: "需要您单独同意的事项",
  separateHelp: "以下每一项都需要您分别勾选。不勾选某类数据，则不会授权需要该数据的查询。",
  recipientBox: (name: string) => `我同意将查询结果提供给：${name}`,
  classBox: (name: string) => `我同意为此使用我的敏感个人信息：${name}`,
  code: "短信验证码",
  codeHelp: "6 位数字，已发送至您的手机。拒绝无需填写。",
  approve: "同意",
  deny: "拒绝",
  resend: "重新发送验证码",
  resent: "新的验证码已发送。",
  problem: "请检查",
  errors: {
    "code-wrong": "验证码不正确或已过期。",
    "recipient-missing": "如果同意，请勾选“将查询结果提供给”对方；否则请选择“拒绝”。",
    "nothing-granted": "您未勾选的数据是本次全部查询所必需的。请勾选，或选择“拒绝”。",
    "too-many": "发送次数过多，请稍后再试。",
    "phone-wrong": "请输入中国大陆手机号码。",
    "session-over": "登录已过期，请重新登录。",
    transition: "该授权的状态已变化，操作未执行。",
    "too-many-codes": "一小时内生成的码过多，请稍后再试。",
  },
  approvedTitle: "您已同意",
  approvedText: "对方将收到通知。您可以随时撤回。",
  deniedTitle: "您已拒绝",
  deniedText: "对方将收到通知，没有任何数据被查询。",
  lockedTitle: "本次请求已关闭",
  lockedText: "验证码错误次数过多，请求已按拒绝处理。没有任何数据被查询。",
  closedTitle: "该链接已失效",
  closedText: "请求已处理、已过期，或不存在。",
  mine: "我的授权",
  signInTitle: "登录查看我的授权",
  phone: "手机号码",
  phoneHelp: "如果此号码有授权记录，我们会发送验证码。",
  sendCode: "发送验证码",
  signIn: "登录",
  signOut: "退出",
  none: "没有授权记录。",
  details: "查看",
  state: "状态",
  states: {
    REQUESTED: "等待您决定",
    ACTIVE: "有效",
    PAUSED: "已暂停",
    REVOKED: "已撤回",
    EXPIRED: "已到期",
    CONSUMED: "次数已用完",
    DENIED: "已拒绝",
  },
  used: (uses: number, max: number) => `已使用 ${uses} / ${max} 次`,
  until: "到期时间",
  pause: "暂停",
  resume: "恢复",
  revoke: "撤回",
  revokeHelp: "撤回后不能恢复；此前已完成的查询不受影响。",
  decideHelp: "请打开短信中的链接，在那里同意或拒绝。",
  notFoundTitle: "找不到该授权",
};

export type Wording = typeof zh;

const en: Wording = {
  site: "WeiJiFen consent centre",
  language: "Language",
  askTitle: "Your decision: do you agree to this query?",
  asks: (name) => `${name} asks to query your information`,
  who: "Who asks",
  contact: "Contact",
  why: "What for",
  what: "What is asked",
  data: "Data used",
  answer: "What they receive",
  results: {
    boolean: "only yes, no or unknown",
    score: "one score and its main reasons",
    tags: "a few tags",
  },
  howOften: "How often",
  onetime: (n) => (n === 1 ? "once" : `${n} times in all`),
  periodic: (n, unit, value) => `at most ${value} per ${unit}, and ${n} in all`,
  term: "Valid for",
  termFrom: (period) => `${period} from your agreement`,
  retention: "They may keep the result for",
  unitNames: { HOUR: "hour", DAY: "day", WEEK: "week", MONTH: "month", YEAR: "year" },
  rawStays:
    "Your raw data never leaves your carrier's provincial systems and is not given to them. The result is computed by the provinces and combined under encryption.",
  rights:
    "You may refuse; your phone service does not depend on it. After agreeing you can pause or withdraw at any time under “My consents”.",
  sensitive: "(sensitive)",
  binding: "Check code shown by them",
  separate: "What needs your separate agreement",
  separateHelp:
    "Tick each one that you agree to. Queries that need a class of data you leave unticked are not authorised.",
  recipientBox: (name) => `I agree that the result is given to: ${name}`,
  classBox: (name) => `I agree to this use of my sensitive data: ${name}`,
  code: "Code from the text message",
  codeHelp: "Six digits, sent to your phone. Not needed to refuse.",
  approve: "I agree",
  deny: "I refuse",
  resend: "Send a new code",
  resent: "A new code has been sent.",
  problem: "Please check",
  errors: {
    "code-wrong": "The code is wrong or has expired.",
    "recipient-missing":
      "To agree, tick the box that lets them receive the result; otherwise refuse.",
    "nothing-granted": "Everything they ask needs data that you left unticked. Tick it, or refuse.",
    "too-many": "Too many messages. Please try again later.",
    "phone-wrong": "Enter a mainland China mobile number.",
    "session-over": "Your session is over. Please sign in again.",
    transition: "This consent has changed meanwhile; nothing was done.",
    "too-many-codes": "Too many codes within the hour. Please try again later.",
  },
  approvedTitle: "You have agreed",
  approvedText: "They are being told. You can withdraw at any time.",
  deniedTitle: "You have refused",
  deniedText: "They are being told. Nothing has been queried.",
  lockedTitle: "This request is closed",
  lockedText: "Too many wrong codes; it counts as refused. Nothing has been queried.",
  closedTitle: "This link is no longer valid",
  closedText: "The request has been answered, has lapsed, or does not exist.",
  mine: "My consents",
  signInTitle: "Sign in to see your consents",
  phone: "Mobile number",
  phoneHelp: "If this number has consents, a code is sent to it.",
  sendCode: "Send code",
  signIn: "Sign in",
  signOut: "Sign out",
  none: "There are no consents.",
  details: "Details",
  state: "State",
  states: {
    REQUESTED: "waiting for you",
    ACTIVE: "active",
    PAUSED: "paused",
    REVOKED: "withdrawn",
    EXPIRED: "expired",
    CONSUMED: "used up",
    DENIED: "refused",
  },
  used: (uses, max) => `used ${uses} of ${max}`,
  until: "Ends",
  pause: "Pause",
  resume: "Resume",
  revoke: "Withdraw",
  revokeHelp: "Withdrawing cannot be undone; queries already answered are not affected.",
  decideHelp: "Open the link in the text message to agree or refuse.",
  notFoundTitle: "No such consent",
};

export type PageError = keyof Wording["errors"];

export function wording(lang: Lang): Wording {
  return lang === "en" ? en : zh;
}

/** "30 days", "30天": the platform knows how each language counts. */
export function periodText({ unit, value }: Period, lang: Lang): string {
  const name = unit.toLowerCase();
  return new Intl.NumberFormat(lang, { style: "unit", unit: name, unitDisplay: "long" }).format(
    value,
  );
}

/** `?lang=` first, then the browser's first preference that we have, else Chinese (RFC 9110 §12.5.4). */
export function chooseLang(asked: unknown, acceptLanguage: string | undefined): Lang {
  const exact = LANGS.find((lang) => lang === asked);
  if (exact !== undefined) return exact;
  for (const part of (acceptLanguage ?? "").split(",")) {
    const primary = part.trim().slice(0, 2).toLowerCase();
    if (primary === "zh") return "zh-CN";
    if (primary === "en") return "en";
  }
  return "zh-CN";
}
