import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tokenConfig } from '@flotilla/auth';
import { AutoscalerModule } from '@flotilla/autoscaler';
import { ConsoleModule, objectiveReader, prometheusConfig, RegistryClient, useConsole } from '@flotilla/console';
import { checkRelayAddresses, MetadataRelayModule, relayConfig } from '@flotilla/metadata-relay';
import { ApiAccess, registryConfig, RoomRegistryModule } from '@flotilla/room-registry';
import {
  clientAddress,
  closeServing,
  commonConfig,
  listenAddress,
  localAddresses,
  loopbackAddress,
  nestLogger,
  port,
  runService,
  wholeNumber,
} from '@flotilla/runtime';
import { checkMediaAddresses, nodeConfig, SfuWorkerModule } from '@flotilla/sfu-worker';
import {
  checkTurn,
  edgeConfig,
  protectSignaling,
  SignalingGatewayModule,
  useSignaling,
} from '@flotilla/signaling-gateway';
import { memoryBackplane } from '@flotilla/backplane';
import { WhipEndpoint } from '@flotilla/whip';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { z } from 'zod';
import { listenAtBothLoopbacks } from './both-loopbacks.ts';
import { isLoopback, localHosts, localRequestsOnly } from './local-requests.ts';
import { keyForPages, newStartKeys, startKeyText, whereStartKeyIs } from './start-key.ts';

const addresses = await localAddresses();

/** Every service in one process. What the services share is in memory; nothing outlives it. */
const settings = z.object({
  ...commonConfig.shape,
  ...nodeConfig.omit({ FLOTILLA_NODE_ID: true }).shape,
  ...relayConfig.omit({ FLOTILLA_RELAY_ID: true }).shape,
  ...edgeConfig.shape,
  ...prometheusConfig.shape,
  FLOTILLA_REMOVE_DEAD_SECONDS: registryConfig.shape.FLOTILLA_REMOVE_DEAD_SECONDS,
  FLOTILLA_SFU_LISTEN_IPS: nodeConfig.shape.FLOTILLA_SFU_LISTEN_IPS.unwrap().default(addresses),
  FLOTILLA_RELAY_LISTEN_IPS: relayConfig.shape.FLOTILLA_RELAY_LISTEN_IPS.unwrap().default(addresses),
  FLOTILLA_DRILLS: nodeConfig.shape.FLOTILLA_DRILLS.unwrap().default(true),
  FLOTILLA_LOG_FORMAT: commonConfig.shape.FLOTILLA_LOG_FORMAT.unwrap().default('pretty'),
  FLOTILLA_LOG_LEVEL: commonConfig.shape.FLOTILLA_LOG_LEVEL.unwrap().default('warn'),
  FLOTILLA_ADMIN_HOST: z.string().default('127.0.0.1'),
  FLOTILLA_ADMIN_PORT: port().default(0),
  FLOTILLA_TOKEN_SECRET: tokenConfig.shape.FLOTILLA_TOKEN_SECRET.default(() => randomBytes(32).toString('base64url')),
  FLOTILLA_TOKEN_ISSUER: tokenConfig.shape.FLOTILLA_TOKEN_ISSUER,
  FLOTILLA_TOKEN_AUDIENCE: tokenConfig.shape.FLOTILLA_TOKEN_AUDIENCE,
  FLOTILLA_HOST: listenAddress()
    .default(loopbackAddress)
    .describe(
      'Where the page, signaling and the REST API listen. 127.0.0.1 and ::1 stand for both. Beyond loopback, FLOTILLA_API_KEYS must be set.',
    ),
  FLOTILLA_API_KEYS: registryConfig.shape.FLOTILLA_API_KEYS.describe(
    'Accepted keys of the REST API, see the room registry. Without any, each start makes a key, prints it, and serves requests from this machine only.',
  ),
  FLOTILLA_API_REQUESTS_PER_SECOND: registryConfig.shape.FLOTILLA_API_REQUESTS_PER_SECOND,
  FLOTILLA_PORT: port().default(8080).describe('Their port. 0 picks a free one.'),
  FLOTILLA_SFU_NODES: wholeNumber().min(1).max(16).default(2).describe('SFU nodes inside the process.'),
  FLOTILLA_DRAIN_SECONDS: wholeNumber()
    .default(0)
    .describe(
      'Seconds over which sessions are moved to other gateways at the stop. Default 0, because there is no other gateway.',
    ),
});

const standaloneConfig = settings.superRefine((config, context) => {
  checkMediaAddresses(config, context, config.FLOTILLA_SFU_NODES);
  checkRelayAddresses(config, context);
  checkTurn(config, context);
  const { FLOTILLA_HOST, FLOTILLA_API_KEYS } = config;
  if (FLOTILLA_API_KEYS.length > 0 || isLoopback(FLOTILLA_HOST)) return;
  const message = `to listen at ${FLOTILLA_HOST}, because without keys every client that reaches it may enter any room`;
  context.addIssue({ code: 'custom', path: ['FLOTILLA_API_KEYS'], message });
});

@Module({})
class StandaloneModule {}

await runService({
  name: 'flotilla',
  config: standaloneConfig,
  start: async ({ config, log, onStop }) => {
    const backplane = memoryBackplane(log);
    const logger = nestLogger(log);
    const startKeys = config.FLOTILLA_API_KEYS.length === 0 ? newStartKeys() : undefined;
    const hosts = localHosts(config.FLOTILLA_HOST);
    const edge = startKeys ? { ...config, FLOTILLA_ALLOWED_HOSTS: hosts } : config;
    const requestsPerSecond = config.FLOTILLA_API_REQUESTS_PER_SECOND;
    const access = startKeys
      ? new ApiAccess(() => startKeys.known, requestsPerSecond, log, whereStartKeyIs)
      : new ApiAccess(() => config.FLOTILLA_API_KEYS, requestsPerSecond, log.child({}, { level: 'info' }));
    let ownUrl = '';

    const nodes = await Promise.all(
      Array.from({ length: config.FLOTILLA_SFU_NODES }, (_, index) => {
        const node = {
          ...config,
          FLOTILLA_NODE_ID: `nd_local-${index + 1}`,
          FLOTILLA_SFU_PORT_BASE:
            config.FLOTILLA_SFU_PORT_BASE && config.FLOTILLA_SFU_PORT_BASE + index * config.FLOTILLA_SFU_WORKERS,
        };
        return NestFactory.createApplicationContext(SfuWorkerModule.register({ config: node, backplane, log }), {
          logger,
        });
      }),
    );
    onStop('SFU nodes', async () => {
      await Promise.all(nodes.map((node) => node.close()));
    });

    const relay = await NestFactory.createApplicationContext(
      MetadataRelayModule.register({ config: { ...config, FLOTILLA_RELAY_ID: 'rl_local' }, backplane, log }),
      { logger },
    );
    onStop('metadata relay', () => relay.close());

    const app = await NestFactory.create<NestExpressApplication>(
      {
        module: StandaloneModule,
        imports: [
          SignalingGatewayModule.register({ config: edge, backplane, log }),
          RoomRegistryModule.register({ config, access, backplane, log }),
          AutoscalerModule.register({ backplane, log }),
          ConsoleModule.register({
            signalUrl: undefined,
            registry: new RegistryClient({ url: () => ownUrl, apiKey: () => startKeys?.consoleKey, breaker: { log } }),
            open: startKeys !== undefined,
            pageKey: startKeys && keyForPages(startKeys.key),
            objectives: objectiveReader(config, log),
          }),
        ],
      },
      { logger },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    if (startKeys) app.use(localRequestsOnly(hosts));
    else protectSignaling(app, { proxyProtocol: false, tls: false }, log, access.authenticate);
    useSignaling(app);
    useConsole(app);
    const whip = new WhipEndpoint({
      signalUrl: () => ownUrl,
      addressOf: clientAddress(edge.FLOTILLA_TRUSTED_PROXIES),
      log: log.child({ part: 'whip' }),
    });
    app.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (!whip.handle(request, response)) next();
    });
    onStop('WHIP endpoint', () => whip.close());
    await app.listen(config.FLOTILLA_PORT, config.FLOTILLA_HOST);
    await listenAtBothLoopbacks(app.getHttpServer());
    ownUrl = await app.getUrl();
    const shownUrl = ownUrl.replace('127.0.0.1', 'localhost');
    console.log(`\nFlotilla is ready: ${shownUrl}\n`);
    if (startKeys) console.log(startKeyText(startKeys.key, shownUrl));
  },
});
