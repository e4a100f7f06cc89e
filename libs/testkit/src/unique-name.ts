import { randomUUID } from 'node:crypto';

/** A name that no other call returns, for a room, a user or a namespace of brokers: `call-3f9a1c2e`. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;
