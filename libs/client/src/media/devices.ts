/** A microphone, camera or speaker. `label` is empty until the user has granted access. */
export interface MediaDevice {
  readonly id: string;
  readonly label: string;
}

export interface MediaDevices {
  readonly microphones: MediaDevice[];
  readonly cameras: MediaDevice[];
  readonly speakers: MediaDevice[];
}

/** Lists the devices of the user. */
export async function listDevices(): Promise<MediaDevices> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind): MediaDevice[] =>
    devices
      .filter((device) => device.kind === kind && device.deviceId !== '')
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

function microphoneConstraints(deviceId: string | undefined): MediaTrackConstraints {
  const chosen = deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
  return { ...chosen, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

function cameraConstraints(deviceId: string | undefined): MediaTrackConstraints {
  const chosen = deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
  return { ...chosen, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
}

/**
 * Opens a microphone, with echo cancellation and noise suppression. Without an id, the default one.
 * @throws DOMException of `getUserMedia`, such as NotAllowedError or NotFoundError
 */
export async function openMicrophone(deviceId?: string): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: microphoneConstraints(deviceId) });
  return stream.getAudioTracks()[0]!;
}

/**
 * Opens a camera at 1280x720, or at the nearest size that it supports. Without an id, the default one.
 * @throws DOMException of `getUserMedia`, such as NotAllowedError or NotFoundError
 */
export async function openCamera(deviceId?: string): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: cameraConstraints(deviceId) });
  return stream.getVideoTracks()[0]!;
}

/**
 * Opens camera and microphone together, so that the user is asked once.
 * @throws DOMException of `getUserMedia` when either cannot be opened
 */
export async function openCameraAndMicrophone(
  devices: { camera?: string; microphone?: string } = {},
): Promise<{ camera: MediaStreamTrack; microphone: MediaStreamTrack }> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: cameraConstraints(devices.camera),
    audio: microphoneConstraints(devices.microphone),
  });
  return { camera: stream.getVideoTracks()[0]!, microphone: stream.getAudioTracks()[0]! };
}

/**
 * Asks the user for a screen, window or tab. `audio` is set when the browser offers its audio and the user shares it.
 * @throws DOMException of `getDisplayMedia`, such as NotAllowedError when the user cancels
 */
export async function openScreen(): Promise<{ video: MediaStreamTrack; audio: MediaStreamTrack | undefined }> {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
  const video = stream.getVideoTracks()[0]!;
  video.contentHint = 'detail';
  return { video, audio: stream.getAudioTracks()[0] };
}
