export { type ClockConfig, clockConfig } from './config.ts';
export { NtpClient, type NtpClientOptions } from './ntp/ntp-client.ts';
export { type NtpServer, parseNtpServer } from './ntp/server-address.ts';
export * from './sync/index.ts';
