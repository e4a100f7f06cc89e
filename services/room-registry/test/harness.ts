import 'reflect-metadata';
import { tokenConfig } from '@flotilla/auth';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { memoryBackplane } from '@flotilla/backplane';
import { RestApi } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { onTestFinished } from 'vitest';
import { RoomRegistryModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });

/** Starts a registry over memory with these token settings for the running test. `stranger` sends an unknown API key. */
export async function startRegistry(env: Record<string, string> = { FLOTILLA_TOKEN_SECRET: 's'.repeat(32) }) {
  const config = loadConfig(tokenConfig, env);
  const backplane = memoryBackplane(log);
  const key = 'a-key';
  const app = await NestFactory.create(
    RoomRegistryModule.register({
      config: {
        ...config,
        FLOTILLA_API_KEYS: [key],
        FLOTILLA_API_OPEN: false,
        FLOTILLA_RESUME_WINDOW_SECONDS: 30,
        FLOTILLA_REMOVE_DEAD_SECONDS: 600,
      },
      backplane,
      log,
    }),
    { logger: nestLogger(log) },
  );
  onTestFinished(() => app.close());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return { config, backplane, url, key, api: new RestApi(url, key), stranger: new RestApi(url, 'another') };
}
