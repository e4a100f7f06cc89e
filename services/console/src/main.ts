import 'reflect-metadata';
import { closeServing, listeningUrl, nestLogger, runService } from '@flotilla/runtime';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { consoleConfig } from './config.ts';
import { ConsoleModule, useConsole } from './console.module.ts';
import { RegistryClient } from './registry-client.ts';

await runService({
  name: 'console',
  config: consoleConfig,
  start: async ({ config, log, onStop }) => {
    const registry = new RegistryClient(
      () => config.FLOTILLA_REGISTRY_URL,
      () => config.FLOTILLA_API_KEY,
    );
    const app = await NestFactory.create<NestExpressApplication>(
      ConsoleModule.register({
        signalUrl: config.FLOTILLA_SIGNAL_URL,
        registry,
        open: config.FLOTILLA_CONSOLE_OPEN,
      }),
      { logger: nestLogger(log) },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    useConsole(app);
    await app.listen(config.FLOTILLA_CONSOLE_PORT, config.FLOTILLA_CONSOLE_HOST);
    log.info({ url: listeningUrl(app) }, 'console started');
  },
});
