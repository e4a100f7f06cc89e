import 'reflect-metadata';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import { endTransports } from '@flotilla/edge-peer';
import {
  closeServing,
  listeningUrl,
  nestLogger,
  protectionOf,
  protectServer,
  registryFetch,
  runService,
  serverCertificate,
} from '@flotilla/runtime';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { mediaEdgeConfig, rtpPortsOf } from './config.ts';
import { ApiKeys } from './inbound/api-keys.ts';
import { MediaEdgeModule } from './media-edge.module.ts';
import { UdpPorts } from './rtp/udp-ports.ts';
import { whipEndpoint } from './whip.ts';

await runService({
  name: 'media-edge',
  config: mediaEdgeConfig,
  start: async ({ config, log, onStop, onSecretsLoaded }) => {
    if (config.FLOTILLA_API_KEYS.length === 0 && !config.FLOTILLA_API_OPEN)
      log.warn('FLOTILLA_API_KEYS is empty: the REST API refuses all requests');
    const certificate = await serverCertificate('edge', config, log);
    onStop('media transports', endTransports);
    const registry = {
      url: config.FLOTILLA_REGISTRY_URL,
      // Read at each request, because it is loaded again when its file changes.
      get apiKey() {
        return config.FLOTILLA_API_KEY;
      },
      fetch: registryFetch(config),
    };
    const keys = new ApiKeys(
      config.FLOTILLA_API_OPEN ? undefined : () => config.FLOTILLA_API_KEYS,
      config.FLOTILLA_API_REQUESTS_PER_SECOND,
      // Whatever the level of other log lines is, changes are logged.
      log.child({}, { level: 'info' }),
    );
    const common = {
      signalUrl: config.FLOTILLA_SIGNAL_URL,
      registry,
      giveUpMs: config.FLOTILLA_EDGE_GIVE_UP_SECONDS * 1000,
      log,
    };
    const app = await NestFactory.create<NestExpressApplication>(
      MediaEdgeModule.register({
        ingests: {
          ...common,
          ports: new UdpPorts(config.FLOTILLA_EDGE_LISTEN_IP, rtpPortsOf(config)),
          announcedAddress: config.FLOTILLA_EDGE_ANNOUNCED_ADDRESS ?? config.FLOTILLA_EDGE_LISTEN_IP,
          maxIngests: config.FLOTILLA_EDGE_INGESTS,
          maxBitsPerSecond: config.FLOTILLA_EDGE_STREAM_BITS_PER_SECOND,
        },
        recordings: {
          ...common,
          directory: config.FLOTILLA_EDGE_RECORDINGS_DIR,
          maxRecordings: config.FLOTILLA_EDGE_RECORDINGS,
          maxTracks: config.FLOTILLA_EDGE_RECORDING_TRACKS,
          minFreeBytes: config.FLOTILLA_EDGE_RECORDINGS_MIN_FREE_BYTES,
          idleMs: config.FLOTILLA_EDGE_RECORDING_IDLE_SECONDS * 1000,
        },
        keys,
        log,
      }),
      { logger: nestLogger(log), ...(certificate && { httpsOptions: certificate.serverOptions }) },
    );
    onStop('application', () => closeServing(app));
    app.disable('x-powered-by');
    const { FLOTILLA_SIGNAL_URL: signalUrl, FLOTILLA_TRUSTED_PROXIES: trustedProxies } = config;
    const whip = whipEndpoint({ signalUrl, registry, keys, trustedProxies, log });
    protectServer(app, { ...protectionOf(config, log), authenticate: keys.authenticate });
    app.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (!whip.handle(request, response)) next();
    });
    onStop('WHIP endpoint', () => whip.close());
    onSecretsLoaded(() => whip.endRevoked());
    if (certificate) onStop('certificate', certificate.reloadOnChange(app.getHttpServer() as Server));
    await app.listen(config.FLOTILLA_EDGE_PORT, config.FLOTILLA_EDGE_HOST);
    log.info({ url: listeningUrl(app, certificate ? 'https' : 'http') }, 'media edge listens');
  },
});
