/** A microphone, camera or speaker. `label` is empty until the page may use one. */
export interface MediaDevice {
  readonly id: string;
  readonly label: string;
}

export interface MediaDevices {
  readonly microphones: MediaDevice[];
  readonly cameras: MediaDevice[];
  readonly speakers: MediaDevice[];
}

/** What can be chosen from. */
export async function listDevices(): Promise<MediaDevices> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind): MediaDevice[] =>
    devices
      .filter((device) => device.kind === kind && device.deviceId !== '')
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

/** Opens a microphone, with echo cancellation and noise suppression. Without an id, the default one. */
export async function openMicrophone(deviceId?: string): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      ...(deviceId !== undefined && { deviceId: { exact: deviceId } }),
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    },
  });
  return stream.getAudioTracks()[0]!;
}

/** Opens a camera at 1280x720 or what is nearest to it. Without an id, the default one. */
export async function openCamera(deviceId?: string): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: {
      ...(deviceId !== undefined && { deviceId: { exact: deviceId } }),
      width: { ideal: 1280 },
      height: { ideal: 720 },
      frameRate: { ideal: 30 },
    },
  });
  return stream.getVideoTracks()[0]!;
}

/** Asks the user for a screen, window or tab. `audio` is there when the browser offers its sound and the user lets it. */
export async function openScreen(): Promise<{ video: MediaStreamTrack; audio: MediaStreamTrack | undefined }> {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
  const video = stream.getVideoTracks()[0]!;
  video.contentHint = 'detail';
  return { video, audio: stream.getAudioTracks()[0] };
}
