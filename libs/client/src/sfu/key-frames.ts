/**
 * When a new stream is announced all who want it ask for a key frame, each when its own way is ready. Chromium answers one such request
 * in 300 ms and drops the others (libwebrtc, EncoderRtcpFeedback), and mediasoup asks again after a second: somebody would look
 * at nothing that long. So some come without being asked for; ms after the stream began.
 */
const unaskedMs = [250, 600, 1100] as const;

/** Makes the sender of a stream that just began send some key frames of all its layers. Browsers that can't leave it at what they do. */
export function sendKeyFrames(sender: RTCRtpSender): void {
  for (const ms of unaskedMs) setTimeout(() => void sendKeyFrame(sender), ms);
}

/** W3C WebRTC Extensions, RTCSetParameterOptions: in Chromium; others ignore the second argument. */
async function sendKeyFrame(sender: RTCRtpSender): Promise<void> {
  if (sender.track?.readyState !== 'live' || !sender.track.enabled) return;
  const parameters = sender.getParameters();
  const options = { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) };
  const setParameters = sender.setParameters.bind(sender) as (parameters: object, options: object) => Promise<void>;
  // The connection may be closed, or somebody else sets parameters at this moment.
  await setParameters(parameters, options).catch(() => undefined);
}
