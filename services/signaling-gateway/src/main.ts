import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectFleet, watchFleet } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { gatewayConfig } from './config.ts';
import { SignalingGatewayModule, useSignaling } from './signaling-gateway.module.ts';

await runService({
  name: 'signaling-gateway',
  config: gatewayConfig,
  start: async ({ config, log, health, onStop }) => {
    const fleet = await connectFleet(config, log);
    onStop('fleet', () => fleet.close());
    watchFleet(health, fleet);
    const app = await NestFactory.create(SignalingGatewayModule.register({ config, fleet, log }), {
      logger: nestLogger(log),
    });
    onStop('application', () => app.close());
    useSignaling(app);
    app.enableCors({ origin: config.FLOTILLA_ALLOWED_ORIGINS });
    await app.listen(config.FLOTILLA_SIGNAL_PORT, config.FLOTILLA_SIGNAL_HOST);
    log.info({ url: await app.getUrl() }, 'signaling is up');
  },
});
