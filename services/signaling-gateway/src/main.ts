import 'reflect-metadata';
import type { Server } from 'node:https';
import { timeHeader } from '@flotilla/contracts';
import { closeServing, listeningUrl, nestLogger, runService, serverCertificate } from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { gatewayConfig } from './config.ts';
import { protectSignaling, SignalingGatewayModule, useSignaling } from './signaling-gateway.module.ts';

await runService({
  name: 'signaling-gateway',
  config: gatewayConfig,
  start: async ({ config, log, health, onStop }) => {
    const certificate = await serverCertificate('signaling', config, log);
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const app = await NestFactory.create<NestExpressApplication>(
      SignalingGatewayModule.register({ config, backplane, log }),
      {
        logger: nestLogger(log),
        ...(certificate && { httpsOptions: certificate.serverOptions }),
      },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    useSignaling(app);
    const origins = config.FLOTILLA_ALLOWED_ORIGINS;
    app.enableCors({ origin: origins.includes('*') ? '*' : origins, exposedHeaders: [timeHeader] });
    protectSignaling(app, { proxyProtocol: config.FLOTILLA_PROXY_PROTOCOL, tls: certificate !== undefined }, log);
    if (certificate) onStop('certificate', certificate.reloadOnChange(app.getHttpServer() as Server));
    await app.listen(config.FLOTILLA_SIGNAL_PORT, config.FLOTILLA_SIGNAL_HOST);
    log.info({ url: listeningUrl(app, certificate ? 'https' : 'http') }, 'signaling is up');
  },
});
