import { isIPv6 } from 'node:net';

/** Address of an NTP server: a host name or an IP address, and a UDP port. */
export interface NtpServer {
  readonly host: string;
  readonly port: number;
}

const ntpPort = 123;
const hostName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$/;

/** Parses `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address; undefined for anything else. */
export function parseNtpServer(text: string): NtpServer | undefined {
  if (isIPv6(text)) return { host: text, port: ntpPort };
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? ntpPort : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (bracketed === undefined ? !hostName.test(host) : !isIPv6(host)) return undefined;
  return { host, port };
}

/** The address as `host:port` or `[IPv6]:port`. */
export function nameOf({ host, port }: NtpServer): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
