import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import { adminAddress, sfuWorkerConfig } from './config.ts';
import { SfuWorkerModule } from './sfu-worker.module.ts';

await runService({
  name: 'sfu-worker',
  config: sfuWorkerConfig,
  start: async ({ config, log, health, onStop, stop }) => {
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const app = await NestFactory.createApplicationContext(
      SfuWorkerModule.register({
        ...{ config, backplane, log, address: adminAddress(config), health },
        endProcess: () => stop('drained'),
      }),
      {
        logger: nestLogger(log),
      },
    );
    onStop('application', () => app.close());
  },
});
