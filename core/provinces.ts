// The 31 provincial-level divisions of mainland China that have a node, by GB/T 2260-2007.
import { ProvinceCode } from "./ids.ts";

export interface Province {
  readonly code: ProvinceCode;
  readonly zh: string;
  readonly en: string;
}

const table = `11 北京 Beijing|12 天津 Tianjin|13 河北 Hebei|14 山西 Shanxi|15 内蒙古 Inner Mongolia
21 辽宁 Liaoning|22 吉林 Jilin|23 黑龙江 Heilongjiang|31 上海 Shanghai|32 江苏 Jiangsu|33 浙江 Zhejiang
34 安徽 Anhui|35 福建 Fujian|36 江西 Jiangxi|37 山东 Shandong|41 河南 Henan|42 湖北 Hubei|43 湖南 Hunan
44 广东 Guangdong|45 广西 Guangxi|46 海南 Hainan|50 重庆 Chongqing|51 四川 Sichuan|52 贵州 Guizhou
53 云南 Yunnan|54 西藏 Tibet|61 陕西 Shaanxi|62 甘肃 Gansu|63 青海 Qinghai|64 宁夏 Ningxia|65 新疆 Xinjiang`;

/** GB/T 2260's six regions, by a code's first digit. */
export const REGION_NAMES: Readonly<Record<string, Pick<Province, "zh" | "en">>> = {
  1: { zh: "华北", en: "North" },
  2: { zh: "东北", en: "Northeast" },
  3: { zh: "华东", en: "East" },
  4: { zh: "中南", en: "Central South" },
  5: { zh: "西南", en: "Southwest" },
  6: { zh: "西北", en: "Northwest" },
};

export const PROVINCES: readonly Province[] = table.split(/[|\n]/).map((row) => {
  const [code, zh, ...en] = row.split(" ");
  return { code: ProvinceCode.parse(code), zh: zh as string, en: en.join(" ") };
});
