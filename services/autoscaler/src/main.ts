import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectFleet, watchFleet } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { AutoscalerModule } from './autoscaler.module.ts';
import { autoscalerConfig } from './config.ts';

await runService({
  name: 'autoscaler',
  config: autoscalerConfig,
  start: async ({ config, log, health, onStop }) => {
    const fleet = await connectFleet(config, log);
    onStop('fleet', () => fleet.close());
    watchFleet(health, fleet);
    const app = await NestFactory.createApplicationContext(AutoscalerModule.register({ fleet, log }), {
      logger: nestLogger(log),
    });
    onStop('application', () => app.close());
  },
});
