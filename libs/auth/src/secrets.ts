import { createHash, randomBytes } from 'node:crypto';

/** A new resume token, and its hash, which is stored. */
export function newResumeToken(): { token: string; hash: string } {
  const token = randomBytes(24).toString('base64url');
  return { token, hash: resumeTokenHash(token) };
}

export const resumeTokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');
