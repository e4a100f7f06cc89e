import 'reflect-metadata';
import type { Server } from 'node:https';
import {
  clientAddress,
  closeServing,
  listeningUrl,
  nestLogger,
  protectionOf,
  protectServer,
  registryFetch,
  runService,
  serverCertificate,
} from '@flotilla/runtime';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { consoleConfig } from './config.ts';
import { ConsoleModule, useConsole } from './console.module.ts';
import { objectiveReader } from './operations/objective-figures.ts';
import { RegistryClient } from './registry-client.ts';

await runService({
  name: 'console',
  config: consoleConfig,
  start: async ({ config, log, onStop }) => {
    const certificate = await serverCertificate('console', config, log);
    const registry = new RegistryClient({
      url: () => config.FLOTILLA_REGISTRY_URL,
      apiKey: () => config.FLOTILLA_API_KEY,
      fetch: registryFetch(config),
      onUnreachable: ({ message }) => log.warn({ reason: message }, 'the REST API cannot be used'),
      breaker: { log, halfOpenMs: config.FLOTILLA_BREAKER_HALF_OPEN_SECONDS * 1000 },
    });
    const app = await NestFactory.create<NestExpressApplication>(
      ConsoleModule.register({
        signalUrl: config.FLOTILLA_SIGNAL_URL,
        registry,
        open: config.FLOTILLA_CONSOLE_OPEN,
        addressOf: clientAddress(config.FLOTILLA_TRUSTED_PROXIES),
        objectives: objectiveReader(config, log),
      }),
      { logger: nestLogger(log), ...(certificate && { httpsOptions: certificate.serverOptions }) },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    protectServer(app, protectionOf(config, log));
    useConsole(app);
    if (certificate) onStop('certificate', certificate.reloadOnChange(app.getHttpServer() as Server));
    await app.listen(config.FLOTILLA_CONSOLE_PORT, config.FLOTILLA_CONSOLE_HOST);
    log.info({ url: listeningUrl(app, certificate ? 'https' : 'http') }, 'console started');
  },
});
