/** The header extension that carries when a frame was captured (abs-capture-time, webrtc.org/experiments/rtp-hdrext). */
export const captureTimeExtension = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/** From 1900, where NTP begins, to 1970, in ms (RFC 5905, figure 4). */
const ntpToUnixMs = 2_208_988_800_000;
/** Video is stamped in units of 1/90 ms (RFC 3551, section 5). */
const ticksPerMs = 90;

type Source = RTCRtpSynchronizationSource & { readonly captureTimestamp?: number };

/**
 * When the frames of a receiver were captured, by the clock of who sent them, ms since 1970. The browser tells the capture
 * time of the newest packet; that of a frame follows from the distance of their RTP timestamps, which the SFU keeps.
 */
export class FrameTimes {
  #known: { readonly rtpTimestamp: number; readonly captureMs: number } | undefined;

  constructor(private readonly receiver: Pick<RTCRtpReceiver, 'getSynchronizationSources'>) {}

  /** Undefined where the browser does not tell, or the sender did not. */
  captureTime(rtpTimestamp: number): number | undefined {
    const [newest] = this.receiver.getSynchronizationSources() as Source[];
    if (newest?.captureTimestamp !== undefined)
      this.#known = { rtpTimestamp: newest.rtpTimestamp, captureMs: newest.captureTimestamp - ntpToUnixMs };
    if (!this.#known) return undefined;
    // The timestamps wrap around at 32 bits.
    return this.#known.captureMs + ((rtpTimestamp - this.#known.rtpTimestamp) | 0) / ticksPerMs;
  }
}
