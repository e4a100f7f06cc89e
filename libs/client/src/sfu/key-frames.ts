/**
 * When key frames are sent without a request, in milliseconds after a stream began. All subscribers of a new stream request a
 * key frame, each when its own transport is ready. Chromium answers one request per 300 ms and drops the others (libwebrtc,
 * EncoderRtcpFeedback), and mediasoup repeats a request after one second: without these key frames some subscribers would
 * have no picture for that long.
 */
const unrequestedMs = [250, 600, 1100] as const;

/** Sends some key frames of all layers of a stream that just began. Does nothing in browsers without the W3C option. */
export function sendKeyFrames(sender: RTCRtpSender): void {
  for (const ms of unrequestedMs) setTimeout(() => void sendKeyFrame(sender), ms);
}

/** W3C WebRTC Extensions, RTCSetParameterOptions: implemented by Chromium; others ignore the second argument. */
async function sendKeyFrame(sender: RTCRtpSender): Promise<void> {
  if (sender.track?.readyState !== 'live' || !sender.track.enabled) return;
  const parameters = sender.getParameters();
  const options = { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) };
  const setParameters = sender.setParameters.bind(sender) as (parameters: object, options: object) => Promise<void>;
  // The connection may be closed, or other parameters may be set at this moment.
  await setParameters(parameters, options).catch(() => undefined);
}
