import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectFleet, watchFleet } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { metadataRelayConfig } from './config.ts';
import { MetadataRelayModule } from './metadata-relay.module.ts';

await runService({
  name: 'metadata-relay',
  config: metadataRelayConfig,
  start: async ({ config, log, health, onStop }) => {
    const fleet = await connectFleet(config, log);
    onStop('fleet', () => fleet.close());
    watchFleet(health, fleet);
    const app = await NestFactory.createApplicationContext(MetadataRelayModule.register({ config, fleet, log }), {
      logger: nestLogger(log),
    });
    onStop('application', () => app.close());
  },
});
