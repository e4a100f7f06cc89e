import { tokenConfig } from '@flotilla/auth';
import { brokerConfig, commonConfig, list, port, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';

export const gatewayConfig = z.object({
  ...commonConfig.shape,
  ...brokerConfig.shape,
  ...tokenConfig.shape,
  FLOTILLA_SIGNAL_HOST: z.string().default('0.0.0.0').describe('Where the WebSocket endpoint listens.'),
  FLOTILLA_SIGNAL_PORT: port().default(8080).describe('Port of the WebSocket endpoint. 0 picks a free one.'),
  FLOTILLA_ALLOWED_ORIGINS: list()
    .default([])
    .describe(
      "Origins whose pages may connect, separated by commas, or * for all. Without any, only pages from the gateway's own host may.",
    ),
  FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
    .default(30)
    .describe('How long a session whose connection was lost may come back.'),
  FLOTILLA_HEARTBEAT_SECONDS: wholeNumber()
    .min(1)
    .default(10)
    .describe('How often a connection is asked for a sign of life. After two without one it is closed.'),
});
export type GatewayConfig = z.output<typeof gatewayConfig>;
