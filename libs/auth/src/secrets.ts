import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A secret that lets a session come back, and the hash that is kept of it. */
export function newResumeToken(): { token: string; hash: string } {
  const token = randomBytes(24).toString('base64url');
  return { token, hash: resumeTokenHash(token) };
}

export const resumeTokenHash = (token: string): string => sha256(token).toString('hex');

/** Whether a key is one of those configured, in a time that does not depend on how much of it is right. */
export function isKnownKey(key: string, known: readonly string[]): boolean {
  const hash = sha256(key);
  // Every key is compared, so that the time does not tell which one matched.
  return known.map((each) => timingSafeEqual(hash, sha256(each))).includes(true);
}
