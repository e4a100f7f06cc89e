import { type ErrorCode, FlotillaError } from '@flotilla/client';

type Device = 'microphone' | 'camera' | 'screen';

/** Why a device could not be opened (Media Capture and Streams, section 10.2), and that the call goes on. */
export function openProblem(device: Device, error: unknown): string {
  const without = device === 'screen' ? '' : ` You can take part without it.`;
  // Outside of a secure context browsers have no mediaDevices at all.
  if (!isSecureContext) return `The browser offers the ${device} to https:// pages only.${without}`;
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      return `The ${device} is blocked. To use it, allow it in the browser’s site settings.${without}`;
    case 'NotFoundError':
      return `No ${device} was found.${without}`;
    case 'NotReadableError':
      return `The ${device} does not start; another app may be using it.${without}`;
    default:
      return `The ${device} can’t be opened${error instanceof Error ? `: ${error.message}` : ''}.${without}`;
  }
}

export function publishProblem(device: Device, error: unknown): string {
  const failure = FlotillaError.from(error);
  return `The ${device} could not be sent: ${lowerFirst(failure.message)} (${failure.code})`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** What somebody who is not a developer can do about it. */
export function advice(code: ErrorCode): string {
  switch (code) {
    case 'TOKEN_INVALID':
    case 'TOKEN_EXPIRED':
    case 'TOKEN_REPLAYED':
    case 'UNAUTHENTICATED':
    case 'SESSION_EXPIRED':
      return 'Ask for a new invitation, then join again.';
    case 'FORBIDDEN':
      return 'You need an invitation to this room.';
    case 'ROOM_FULL':
      return 'Try again when somebody has left.';
    case 'ROOM_NOT_FOUND':
      return 'Check its name with whoever invited you.';
    case 'NOT_IN_ROOM':
      return 'If that was not meant, join again.';
    case 'RATE_LIMITED':
      return 'Wait a moment, then try again.';
    case 'NO_CAPACITY':
      return 'Every server is busy. Try again in a minute.';
    case 'UNAVAILABLE':
    case 'NODE_UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return 'Check your connection, then try again.';
    default:
      return 'Try again; if it stays, tell whoever runs this server the code below.';
  }
}
