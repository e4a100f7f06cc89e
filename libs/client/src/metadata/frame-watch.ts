import type { RemotePublication } from '../room/remote-publication.ts';
import type { SfuLinks } from '../sfu/links.ts';
import { FrameTimes } from './frame-times.ts';

/** How often the elements that the publication is attached to are checked, in milliseconds. */
const checkIntervalMs = 500;
/** A capture time farther from now than this, in milliseconds, is of a stream that was just replaced. */
const plausibleMs = 10_000;
/** Weight of a new sample in the moving average of the transit time. */
const smoothing = 1 / 8;

/**
 * Reports each presented frame of a video with its capture time by the publisher's clock. Watches an element that the
 * publication is attached to, or a hidden one of its own while there is none.
 */
export class FrameWatch {
  readonly #timer: ReturnType<typeof setInterval>;
  #element: HTMLVideoElement | undefined;
  #own: HTMLVideoElement | undefined;
  #callback = 0;
  /** Average time from the capture of a frame to its last packet, including the difference of the two clocks. */
  #transitMs: number | undefined;
  #times: { readonly track: MediaStreamTrack; readonly times: FrameTimes } | undefined;

  constructor(
    private readonly publication: RemotePublication,
    private readonly links: SfuLinks,
    private readonly onFrame: (capturedMs: number) => void,
  ) {
    this.#timer = setInterval(() => this.#chooseElement(), checkIntervalMs);
    this.#chooseElement();
  }

  #chooseElement(): void {
    const attached = [...this.publication.elements].find(
      (element): element is HTMLVideoElement => element instanceof HTMLVideoElement && element.isConnected,
    );
    const element = attached ?? this.#ownElement();
    if (element === this.#element) return;
    this.#element?.cancelVideoFrameCallback(this.#callback);
    this.#element = element;
    if (attached) this.#dropOwn();
    this.#next(element);
  }

  #ownElement(): HTMLVideoElement {
    if (this.#own) return this.#own;
    const element = document.createElement('video');
    element.muted = true;
    element.playsInline = true;
    element.autoplay = true;
    this.publication.attach(element);
    return (this.#own = element);
  }

  #dropOwn(): void {
    if (this.#own) this.publication.detach(this.#own);
    this.#own = undefined;
  }

  #next(element: HTMLVideoElement): void {
    this.#callback = element.requestVideoFrameCallback((_now, { rtpTimestamp, receiveTime }) => {
      if (element !== this.#element) return;
      this.#next(element);
      if (rtpTimestamp !== undefined && receiveTime !== undefined) this.#presented(rtpTimestamp, receiveTime);
    });
  }

  #presented(rtpTimestamp: number, receiveTime: number): void {
    const captured = this.#timesOfTrack()?.captureTime(rtpTimestamp);
    if (captured !== undefined && Math.abs(captured - Date.now()) < plausibleMs) {
      const transitMs = receiveTime - captured;
      this.#transitMs =
        this.#transitMs === undefined ? transitMs : this.#transitMs + smoothing * (transitMs - this.#transitMs);
      this.onFrame(captured);
    } else if (this.#transitMs !== undefined) {
      // Packets carry a capture time once per second: after the track was replaced, the first may take that long.
      this.onFrame(receiveTime - this.#transitMs);
    }
  }

  #timesOfTrack(): FrameTimes | undefined {
    const { track } = this.publication;
    if (!track) return undefined;
    if (this.#times?.track !== track) {
      const receiver = this.links.receiverOf(track);
      this.#times = receiver && { track, times: new FrameTimes(receiver) };
    }
    return this.#times?.times;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#element?.cancelVideoFrameCallback(this.#callback);
    this.#element = undefined;
    this.#dropOwn();
  }
}
