import { list, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';
import { type NtpServer, parseNtpServer } from './ntp/server-address.ts';

const maxServers = 8;

/** What a service that tells the fleet's time understands. */
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
      "NTP servers that tell the fleet's time, separated by commas: host, host:port or [IPv6]:port. Name one, or three and more, so that one that lies is outvoted. None: the machine's own clock, with an unknown error.",
    ),
  FLOTILLA_NTP_INTERVAL_SECONDS: wholeNumber()
    .min(1)
    .max(1024)
    .default(5)
    .describe('How often the NTP servers are asked.'),
});
export type ClockConfig = z.output<typeof clockConfig>;
