import { fileURLToPath } from 'node:url';
import { nodeFlags as gatewayFlags } from '@flotilla/signaling-gateway/node-flags';

/** How a service is started. */
interface Service {
  /** Path of its main module. */
  readonly main: string;
  /** Flags of Node and V8. */
  readonly nodeFlags: readonly string[];
}

const service = (name: string, nodeFlags: readonly string[] = []): Service => ({
  main: fileURLToPath(new URL('./main.js', import.meta.resolve(`@flotilla/${name}`))),
  nodeFlags,
});

/** Every service of the image by the name that `flotilla <service>` takes. */
export const services = {
  gateway: service('signaling-gateway', gatewayFlags),
  registry: service('room-registry'),
  'sfu-worker': service('sfu-worker'),
  'metadata-relay': service('metadata-relay'),
  autoscaler: service('autoscaler'),
  'media-edge': service('media-edge'),
  console: service('console'),
  standalone: service('standalone'),
} as const;
