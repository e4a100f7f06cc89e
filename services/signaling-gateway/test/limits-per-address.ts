import { ConnectionLimits, type ConnectionLimitSettings } from '../src/limits/connection-limits.ts';

export const limitsPerAddress = (perAddress: number, others: Partial<ConnectionLimitSettings> = {}): ConnectionLimits =>
  new ConnectionLimits({
    total: 1000,
    perAddress,
    perAddressPerSecond: 100,
    messagesPerAddressPerSecond: 100,
    ...others,
  });
