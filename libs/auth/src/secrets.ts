import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A new resume token, and its hash, which is stored. */
export function newResumeToken(): { token: string; hash: string } {
  const token = randomBytes(24).toString('base64url');
  return { token, hash: resumeTokenHash(token) };
}

export const resumeTokenHash = (token: string): string => sha256(token).toString('hex');

/** Whether a key is one of the configured ones, in constant time. */
export function isKnownKey(key: string, known: readonly string[]): boolean {
  const hash = sha256(key);
  // Compares all keys, so that the time does not reveal which one matched.
  return known.map((each) => timingSafeEqual(hash, sha256(each))).includes(true);
}
