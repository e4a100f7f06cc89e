import type { RtpParameters, Subscription, TransportParameters } from '@flotilla/contracts';
import type { Consumer, WebRtcTransport } from 'mediasoup/types';

/** The parameters of a transport that a client needs to connect. */
export function transportParameters({
  id,
  iceParameters,
  iceCandidates,
  dtlsParameters,
}: WebRtcTransport): TransportParameters {
  return { id, iceParameters, iceCandidates, dtlsParameters };
}

/** A consumer, as its client needs it to receive the publication. */
export function subscriptionOf(
  publicationId: string,
  { id, producerId, kind, rtpParameters, type, paused }: Consumer,
): Subscription {
  return {
    publicationId,
    consumerId: id,
    producerId,
    kind,
    rtpParameters: rtpParameters as RtpParameters,
    type,
    paused,
  };
}
