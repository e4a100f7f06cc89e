import { FlotillaError, type Subscription } from '@flotilla/contracts';
import type { Consumer, Transport } from 'mediasoup-client/types';

/**
 * Receives a subscription over a transport. Rejects when the transport closes first: a negotiation in flight never settles once its
 * RTCPeerConnection is closed (W3C WebRTC, section 4.4.1.5), and mediasoup-client's `consume` waits for it.
 */
export async function consume(
  transport: Transport,
  { consumerId, producerId, kind, rtpParameters }: Subscription,
): Promise<Consumer> {
  const consuming = transport.consume({
    id: consumerId,
    producerId,
    kind,
    rtpParameters: rtpParameters as unknown as Consumer['rtpParameters'],
  });
  const closed = Promise.withResolvers<never>();
  const reject = (): void => closed.reject(new FlotillaError('NODE_UNAVAILABLE', 'the media link was closed'));
  transport.observer.once('close', reject);
  try {
    return await Promise.race([consuming, closed.promise]);
  } finally {
    transport.observer.off('close', reject);
  }
}

/** Whether mediasoup-client refused a subscription by its parameters, before it changed anything for the others. */
export const isOwnFault = (error: unknown): boolean => error instanceof TypeError || isUnsupported(error);

/** Whether mediasoup-client refused something that the browser does not have. */
export const isUnsupported = (error: unknown): boolean => error instanceof Error && error.name === 'UnsupportedError';
