import 'reflect-metadata';
import { nestLogger, runService } from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import { AutoscalerModule } from './autoscaler.module.ts';
import { autoscalerConfig } from './config.ts';

await runService({
  name: 'autoscaler',
  config: autoscalerConfig,
  start: async ({ config, log, health, onStop }) => {
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const app = await NestFactory.createApplicationContext(AutoscalerModule.register({ backplane, log }), {
      logger: nestLogger(log),
    });
    onStop('application', () => app.close());
  },
});
