import 'reflect-metadata';
import type { Server } from 'node:https';
import {
  closeServing,
  listeningUrl,
  nestLogger,
  protectionOf,
  protectServer,
  runService,
  serverCertificate,
} from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { registryConfig } from './config.ts';
import { ApiAccess } from './inbound/api-access.ts';
import { mirrorMiddleware } from './mirror/middleware.ts';
import { requireNoFleet } from './mirror/shadow.ts';
import { RoomRegistryModule } from './room-registry.module.ts';

await runService({
  name: 'room-registry',
  config: registryConfig,
  start: async ({ config, log, health, onStop }) => {
    if (config.FLOTILLA_API_KEYS.length === 0 && !config.FLOTILLA_API_OPEN)
      log.warn('FLOTILLA_API_KEYS is empty: the REST API refuses all requests');
    const certificate = await serverCertificate('registry', config, log);
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const { FLOTILLA_NAMESPACE: namespace, FLOTILLA_SHADOW_OF: shadowOf } = config;
    if (shadowOf !== undefined) {
      await requireNoFleet(namespace, backplane.store.nodes);
      log.info({ namespace, shadowOf }, 'shadow release');
    }
    // Whatever the level of other log lines is, changes are logged. Those of a shadow release say so.
    const auditLog = log.child(shadowOf === undefined ? {} : { shadow: namespace }, { level: 'info' });
    const keys = config.FLOTILLA_API_OPEN ? undefined : () => config.FLOTILLA_API_KEYS;
    const access = new ApiAccess(keys, config.FLOTILLA_API_REQUESTS_PER_SECOND, auditLog);
    const app = await NestFactory.create<NestExpressApplication>(
      RoomRegistryModule.register({ config, access, backplane, log }),
      {
        logger: nestLogger(log),
        ...(certificate && { httpsOptions: certificate.serverOptions }),
      },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    const mirror = mirrorMiddleware(config, log);
    onStop('capture', mirror.close);
    for (const middleware of mirror.handlers) app.use(middleware);
    protectServer(app, { ...protectionOf(config, log), authenticate: access.authenticate });
    if (certificate) onStop('certificate', certificate.reloadOnChange(app.getHttpServer() as Server));
    await app.listen(config.FLOTILLA_REST_PORT, config.FLOTILLA_REST_HOST);
    log.info({ url: listeningUrl(app, certificate ? 'https' : 'http') }, 'REST API listens');
  },
});
