import 'reflect-metadata';
import { apiKeyList, newApiKey, tokenConfig } from '@flotilla/auth';
import type { ApiScope } from '@flotilla/contracts';
import {
  createLogger,
  loadConfig,
  nestLogger,
  protectionOf,
  protectServer,
  serverLimitsConfig,
} from '@flotilla/runtime';
import { type Backplane, memoryBackplane } from '@flotilla/backplane';
import { RestApi } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import type { RequestHandler } from 'express';
import { onTestFinished } from 'vitest';
import { ApiAccess, RoomRegistryModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });

/** Starts a registry over memory for the running test, with these token settings. `stranger` sends an unknown API key. */
export async function startRegistry(
  env: Record<string, string> = { FLOTILLA_TOKEN_SECRET: 's'.repeat(32) },
  {
    scopes = '*',
    tenant,
    requestsPerSecond = 10_000,
    onAudit = () => undefined,
    backplane = memoryBackplane(log),
    before = [],
    limits = {},
    shadowOf,
  }: {
    scopes?: readonly ApiScope[] | '*';
    /** That of the API key. */
    tenant?: string | undefined;
    requestsPerSecond?: number;
    onAudit?: (record: unknown) => void;
    backplane?: Backplane;
    /** Run before everything else. */
    before?: readonly RequestHandler[];
    /** Settings of the limits before a key is known. */
    limits?: Record<string, string>;
    /** Makes it a shadow release of this namespace. */
    shadowOf?: string;
  } = {},
) {
  const config = loadConfig(tokenConfig, env);
  const { key, entry } = newApiKey(tenant === undefined ? 'test' : `test@${tenant}`, scopes);
  const apiKeys = apiKeyList().parse(entry);
  const access = new ApiAccess(() => apiKeys, requestsPerSecond, { info: onAudit });
  const app = await NestFactory.create(
    RoomRegistryModule.register({
      config: {
        ...config,
        FLOTILLA_RESUME_WINDOW_SECONDS: 30,
        FLOTILLA_REMOVE_DEAD_SECONDS: 600,
        FLOTILLA_SHADOW_OF: shadowOf,
      },
      access,
      backplane,
      log,
    }),
    { logger: nestLogger(log) },
  );
  onTestFinished(() => app.close());
  for (const handler of before) app.use(handler);
  const protection = protectionOf(loadConfig(serverLimitsConfig, limits), log);
  protectServer(app, { ...protection, authenticate: access.authenticate });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return { config, backplane, url, key, api: new RestApi(url, key), stranger: new RestApi(url, 'another') };
}
