import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectFleet, watchFleet } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { sfuWorkerConfig } from './config.ts';
import { SfuWorkerModule } from './sfu-worker.module.ts';

await runService({
  name: 'sfu-worker',
  config: sfuWorkerConfig,
  start: async ({ config, log, health, onStop, stop }) => {
    const fleet = await connectFleet(config, log);
    onStop('fleet', () => fleet.close());
    watchFleet(health, fleet);
    const app = await NestFactory.createApplicationContext(
      SfuWorkerModule.register({ config, fleet, log, endProcess: () => stop('drained') }),
      {
        logger: nestLogger(log),
      },
    );
    onStop('application', () => app.close());
  },
});
