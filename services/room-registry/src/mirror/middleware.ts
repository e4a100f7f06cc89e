import type { Logger } from '@flotilla/runtime';
import type { RequestHandler } from 'express';
import type { RegistryConfig } from '../config.ts';
import { CaptureFile } from './capture-file.ts';
import { captureExchanges } from './exchange.ts';
import { markShadow } from './shadow.ts';

/** What mirroring adds to a registry in front of everything else: the mark of a shadow release, and the capture of both sides. */
export function mirrorMiddleware(
  config: Pick<
    RegistryConfig,
    'FLOTILLA_NAMESPACE' | 'FLOTILLA_SHADOW_OF' | 'FLOTILLA_CAPTURE_FILE' | 'FLOTILLA_CAPTURE_MEGABYTES'
  >,
  log: Pick<Logger, 'warn'>,
): { handlers: RequestHandler[]; close: () => Promise<void> } {
  const { FLOTILLA_CAPTURE_FILE: path, FLOTILLA_CAPTURE_MEGABYTES: megabytes } = config;
  const file = path === undefined ? undefined : new CaptureFile(path, megabytes * 1_000_000, log);
  return {
    handlers: [
      ...(config.FLOTILLA_SHADOW_OF === undefined ? [] : [markShadow(config.FLOTILLA_NAMESPACE)]),
      ...(file ? [captureExchanges((line) => file.write(line))] : []),
    ],
    close: async () => file?.close(),
  };
}
