import { list, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';
import { type NtpServer, parseNtpServer } from './ntp/server-address.ts';

const maxServers = 8;

/** Settings of a service that synchronises its clock over NTP. */
export const clockConfig = z.object({
  FLOTILLA_NTP_SERVERS: list()
    .transform((texts, context): NtpServer[] => {
      if (texts.length > maxServers) context.addIssue(`at most ${maxServers} servers`);
      return texts.flatMap((text) => {
        const server = parseNtpServer(text);
        if (!server) context.addIssue(`${text} is neither host, host:port nor [IPv6]:port`);
        return server ?? [];
      });
    })
    .default([])
    .describe(
      "NTP servers that the fleet's clock is synchronised to, separated by commas: host, host:port or [IPv6]:port. Name one, or at least three, so that a majority outvotes a wrong one. Empty: the machine's own clock, with an unknown error.",
    ),
  FLOTILLA_NTP_INTERVAL_SECONDS: wholeNumber()
    .min(1)
    .max(1024)
    .default(5)
    .describe('Interval between two polls of an NTP server, in seconds.'),
});
export type ClockConfig = z.output<typeof clockConfig>;
