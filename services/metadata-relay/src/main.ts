import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import { metadataRelayConfig } from './config.ts';
import { MetadataRelayModule } from './metadata-relay.module.ts';

await runService({
  name: 'metadata-relay',
  config: metadataRelayConfig,
  start: async ({ config, log, health, onStop }) => {
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const app = await NestFactory.createApplicationContext(MetadataRelayModule.register({ config, backplane, log }), {
      logger: nestLogger(log),
    });
    onStop('application', () => app.close());
  },
});
