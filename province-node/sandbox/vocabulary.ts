// The words of the sandbox: names, apps, domains, keywords, plans, phones. All are common or invented; none is a
// statement about a real firm. An entry's lean says who uses it: > 0 the creditworthy, < 0 the others.

export const SURNAMES = (
  "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 林 罗 高 梁 郑 谢 宋 唐 许 邓 韩 冯 曹 彭 曾 肖 田 董 潘 袁 蔡 蒋 余 " +
  "欧阳 司马"
).split(" ");

const given =
  "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 涛 明 超 霞 平 刚 桂 英 华 玉 兰 建 国 志 文 斌 波 辉 宇 浩 然 子 轩 梓 涵 欣 怡 雨 泽 思 远 嘉";

export const GIVEN = given.split(" ");

export interface Word {
  readonly text: string;
  readonly category: string;
  readonly lean: number;
}

function words(table: string): Word[] {
  return table
    .trim()
    .split("\n")
    .map((line) => {
      const [text, category, lean] = line.trim().split(" ");
      return { text: text as string, category: category as string, lean: Number(lean) };
    });
}

export const APPS = words(`
  weixin social 0
  qq social -0.2
  weibo social 0
  douyin video -0.2
  bilibili video 0.1
  kuaishou video -0.4
  netmusic music 0.1
  wangzhe game -0.4
  majiang game -0.6
  toutiao news 0
  caixin news 1.2
  weread reading 0.9
  duolingo education 0.9
  xueersi education 0.7
  taobao shopping 0.2
  jingdong shopping 0.6
  pinduoduo shopping -0.2
  meituan food 0.1
  eleme food 0
  ctrip travel 0.9
  railway12306 travel 0.5
  amap transport 0.3
  didi transport 0.3
  alipay finance 0.3
  icbc finance 0.8
  cmb finance 1.1
  tonghuashun finance 0.9
  pingan insurance 0.8
  kuaijie-loan loan -1.6
  xiaoe-dai loan -1.9
  jiqian-loan loan -1.7
  caipiao-vip gambling -1.9
  qipai-gold gambling -2.1
  keep health 0.6
  dingtalk work 0.6
  feishu work 0.8
  wps tools 0.3
  gongyi charity 0.9
  shepin luxury 0.6
  autohome car 0.5
  lianjia house 0.6
  fileball other 0
`);

export const DOMAINS = words(`
  news.example.cn news 0
  finance.example.cn finance 0.8
  fund.example.cn finance 1
  bank.example.cn finance 0.7
  shop.example.cn shopping 0.1
  mall.example.cn shopping 0.3
  school.example.cn education 0.8
  doctor.example.cn health 0.3
  tour.example.cn travel 0.7
  video.example.cn video -0.1
  novel.example.cn reading -0.1
  game.example.cn game -0.4
  quickcash.example.cn loan -1.6
  nocheck-loan.example.cn loan -1.9
  lucky-bet.example.cn gambling -2
  live-casino.example.cn gambling -2.1
  car.example.cn car 0.5
  house.example.cn house 0.6
`);

export const KEYWORDS = words(`
  天气 other 0
  高铁票 travel 0.5
  公积金 finance 0.8
  理财 finance 0.9
  考研 education 0.7
  租房 house 0
  学区房 house 0.7
  体检 health 0.4
  菜谱 food 0.1
  新能源汽车 car 0.5
  无抵押贷款 loan -1.6
  黑户贷款 loan -2.1
  网贷逾期 loan -1.9
  信用卡套现 loan -1.7
  彩票预测 gambling -1.8
  百家乐 gambling -2.1
`);

export const PLANS = [
  { name: "畅享8", feeYuan: 8 },
  { name: "校园29", feeYuan: 29 },
  { name: "畅享39", feeYuan: 39 },
  { name: "畅享59", feeYuan: 59 },
  { name: "5G智享79", feeYuan: 79 },
  { name: "5G智享99", feeYuan: 99 },
  { name: "5G智享129", feeYuan: 129 },
  { name: "5G尊享199", feeYuan: 199 },
  { name: "5G尊享299", feeYuan: 299 },
] as const;

export const PHONES = [
  { model: "A1", bandYuan: 800 },
  { model: "K50", bandYuan: 1500 },
  { model: "N20", bandYuan: 2500 },
  { model: "X70", bandYuan: 3500 },
  { model: "P60", bandYuan: 5000 },
  { model: "Mate X", bandYuan: 7000 },
  { model: "Fold", bandYuan: 10000 },
] as const;

/** Mobile number prefixes in use (H-codes' first three digits). */
export const PREFIXES = (
  "134 135 136 137 138 139 147 150 151 152 157 158 159 172 178 182 183 184 187 188 " +
  "195 197 198 130 131 132 155 156 166 175 176 185 186 133 153 173 177 180 189 199"
).split(" ");
