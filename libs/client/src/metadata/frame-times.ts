/** The RTP header extension with the capture time of a frame (abs-capture-time, webrtc.org/experiments/rtp-hdrext). */
export const captureTimeExtension = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/** Milliseconds from 1900, the NTP epoch, to 1970, the Unix epoch (RFC 5905, figure 4). */
const ntpToUnixMs = 2_208_988_800_000;
/** RTP timestamps of video are in units of 1/90 ms (RFC 3551, section 5). */
const ticksPerMs = 90;

type Source = RTCRtpSynchronizationSource & { readonly captureTimestamp?: number };

/**
 * Capture times of the frames of a receiver, in milliseconds since 1970 by the publisher's clock. The browser reports the
 * capture time of the newest packet; that of a frame follows from the difference of their RTP timestamps, which the SFU keeps.
 */
export class FrameTimes {
  #known: { readonly rtpTimestamp: number; readonly captureMs: number } | undefined;

  constructor(private readonly receiver: Pick<RTCRtpReceiver, 'getSynchronizationSources'>) {}

  /** Undefined when the browser does not report capture times, or the publisher does not send them. */
  captureTime(rtpTimestamp: number): number | undefined {
    const [newest] = this.receiver.getSynchronizationSources() as Source[];
    if (newest?.captureTimestamp !== undefined)
      this.#known = { rtpTimestamp: newest.rtpTimestamp, captureMs: newest.captureTimestamp - ntpToUnixMs };
    if (!this.#known) return undefined;
    // The timestamps wrap around at 32 bits.
    return this.#known.captureMs + ((rtpTimestamp - this.#known.rtpTimestamp) | 0) / ticksPerMs;
  }
}
