import { autoscalerConfig } from '@flotilla/autoscaler';
import { consoleConfig } from '@flotilla/console';
import { mediaEdgeConfig } from '@flotilla/media-edge';
import { metadataRelayConfig } from '@flotilla/metadata-relay';
import { registryConfig } from '@flotilla/room-registry';
import { sfuWorkerConfig } from '@flotilla/sfu-worker';
import { gatewayConfig } from '@flotilla/signaling-gateway';

/** The settings of every service that runs over brokers. */
export const configurations = {
  gateway: gatewayConfig,
  registry: registryConfig,
  'sfu-worker': sfuWorkerConfig,
  'metadata-relay': metadataRelayConfig,
  autoscaler: autoscalerConfig,
  'media-edge': mediaEdgeConfig,
  console: consoleConfig,
} as const;
