import { randomBytes } from 'node:crypto';
import { base32 } from '@flotilla/contracts';

/** A new id with 80 random bits behind its prefix. */
export const base32Id = (prefix: string): string => prefix + base32(randomBytes(10));
