import { isIP } from 'node:net';
import { z } from 'zod';

// Building blocks for settings that are addresses: what is accepted can be listened at, or connected to.

/** An IP address or a host name (RFC 1123, section 2.1) to listen at. */
export const listenAddress = () => z.string().refine(isHost, 'an IP address or a host name is expected');
/** An IP address or a host name that others connect to. */
export const announcedAddress = () =>
  z.string().refine(isReachable, 'an IP address or a host name that others can connect to is expected');
/** IP addresses or host names, separated by commas, that others connect to. */
export const announcedAddresses = () =>
  z
    .string()
    .refine(
      (text) => text.split(',').every((part) => isReachable(part.trim())),
      'IP addresses or host names that others can connect to are expected, separated by commas',
    );
/** A URL of HTTP or HTTPS. */
export const httpUrl = () => z.url({ protocol: /^https?$/, error: 'http://HOST or https://HOST is expected' });

/** RFC 1123, section 2.1: labels of up to 63 characters. */
const label = '[a-z\\d](?:[a-z\\d-]{0,61}[a-z\\d])?';
const hostName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`, 'i');

const isHost = (text: string): boolean => isIP(text) !== 0 || (hostName.test(text) && !/^[\d.]+$/.test(text));

/** Whether an address stands for all of the machine: 0.0.0.0 or ::. Nobody can connect to it. */
const isUnspecified = (address: string): boolean => /^(?:0\.0\.0\.0|[0:]+)$/.test(address);

function isReachable(address: string): boolean {
  return isHost(address) && !isUnspecified(address);
}

/** Reports settings that listen at all addresses without an address to announce. Both are names of settings. */
export function checkAnnounced(
  settings: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
  { listensAt, announces }: { readonly listensAt: string; readonly announces: string },
): void {
  const addresses = [settings[listensAt]].flat().map(String);
  if (settings[announces] !== undefined || !addresses.some(isUnspecified)) return;
  const message = `${listensAt} is ${addresses.join(',')}, which others cannot connect to: set the address that they can`;
  context.addIssue({ code: 'custom', path: [announces], message });
}
