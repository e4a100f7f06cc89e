import 'reflect-metadata';
import { ConfigError, nestLogger, runService } from '@flotilla/runtime';
import { connectBackplane, watchBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import { AutoscalerModule } from './autoscaler.module.ts';
import { type AutoscalerConfig, autoscalerConfig, canarySettings, scalingSettings } from './config.ts';
import { ownNamespace, type Workload } from './kubernetes/api.ts';

/** The Deployment to scale; undefined when the number of nodes is only exported. */
function workloadOf(config: AutoscalerConfig): Workload | undefined {
  const { FLOTILLA_SCALE_DEPLOYMENT: name, FLOTILLA_SCALE_NAMESPACE: namespace = ownNamespace() } = config;
  if (name === undefined) return undefined;
  if (namespace === undefined)
    throw new ConfigError(['FLOTILLA_SCALE_NAMESPACE is required with FLOTILLA_SCALE_DEPLOYMENT outside Kubernetes.']);
  return { namespace, name };
}

await runService({
  name: 'autoscaler',
  config: autoscalerConfig,
  start: async ({ config, log, health, onStop, serve }) => {
    const scaling = {
      settings: scalingSettings(config),
      workload: workloadOf(config),
      watchMachines: config.FLOTILLA_SCALE_WATCH_MACHINES,
      serve,
    };
    const backplane = await connectBackplane(config, log);
    onStop('backplane', () => backplane.close());
    watchBackplane(health, backplane);
    const app = await NestFactory.createApplicationContext(
      AutoscalerModule.register({ backplane, log, scaling, canary: canarySettings(config) }),
      {
        logger: nestLogger(log),
      },
    );
    onStop('application', () => app.close());
  },
});
