// Who a CIBA request is about (OpenID CIBA §7.1 login_hint): a phone, `tel:+8613812345678` (RFC 3966), or an ID number,
// `cn-id:110101…`. It becomes a subject tag at once; the phone is kept only to send the code to, the ID number not at
// all. For an ID number the phone comes from the authority's own real-name directory, never from who asks.
import type { SubjectTag } from "../../core/ids.ts";
import { normaliseCnId, normaliseMsisdn, subjectTag } from "../../crypto/subject.ts";
import { WjfError } from "../../core/errors.ts";

/** The phone that a person is known to use, by ID number. Real-name registration is the carriers' to know. */
export interface PhoneDirectory {
  /** E.164, or undefined when nobody is known under this number. */
  phoneOf(cnId: string): Promise<string | undefined>;
}

export interface Person {
  readonly tag: SubjectTag;
  /** E.164. */
  readonly phone: string;
}

/** @throws WjfError `request-malformed` for a hint of another form. Undefined when nobody is known by it. */
export async function personOf(
  hint: string,
  subjectKey: Buffer,
  directory: PhoneDirectory | undefined,
): Promise<Person | undefined> {
  if (hint.startsWith("tel:")) {
    const phone = normaliseMsisdn(hint.slice("tel:".length));
    return { tag: subjectTag(subjectKey, "msisdn", phone), phone };
  }
  if (hint.startsWith("cn-id:")) {
    const cnId = normaliseCnId(hint.slice("cn-id:".length));
    const phone = await directory?.phoneOf(cnId);
    if (phone === undefined) return undefined;
    return { tag: subjectTag(subjectKey, "cn-id", cnId), phone: normaliseMsisdn(phone) };
  }
  throw new WjfError("request-malformed", "login_hint: tel: or cn-id:");
}
