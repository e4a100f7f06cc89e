import { type ErrorCode, FlotillaError } from '@flotilla/client';

type Device = 'microphone' | 'camera' | 'screen';

/** Explains why a device could not be opened (Media Capture and Streams, section 10.2), with a cure. */
export function openProblem(device: Device, error: unknown): string {
  const without = device === 'screen' ? '' : ` You can join without it.`;
  // Outside of a secure context, navigator.mediaDevices is undefined.
  if (!isSecureContext)
    return `The browser gives pages the ${device} over https:// only. Open this page with https://.${without}`;
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      return `The ${device} is blocked. Allow it in the browser’s site settings.${without}`;
    case 'NotFoundError':
      return `No ${device} was found. Connect one and try again.${without}`;
    case 'NotReadableError':
      return `The ${device} did not start. Close other apps that use it.${without}`;
    default:
      return `The ${device} could not be opened${error instanceof Error ? `: ${error.message}` : ''}.${without}`;
  }
}

export function publishProblem(device: Device, error: unknown): string {
  const failure = FlotillaError.from(error);
  return `The ${device} could not be published: ${lowerFirst(failure.message)} (${failure.code}). Try again.`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** What a user can do about an error. */
export function advice(code: ErrorCode): string {
  switch (code) {
    case 'TOKEN_INVALID':
    case 'TOKEN_EXPIRED':
    case 'TOKEN_REPLAYED':
    case 'UNAUTHENTICATED':
    case 'TOKEN_REVOKED':
    case 'SESSION_REVOKED':
    case 'SESSION_EXPIRED':
      return 'Ask for a new invitation and join again.';
    case 'FORBIDDEN':
      return 'You need an invitation to this room.';
    case 'BANNED':
      return 'Ask the host of the room.';
    case 'ROOM_FULL':
      return 'Try again when someone has left.';
    case 'ROOM_NOT_FOUND':
      return 'Check the room name with the person who invited you.';
    case 'NOT_IN_ROOM':
      return 'You can join again.';
    case 'RATE_LIMITED':
      return 'Wait a moment, then try again.';
    case 'NO_CAPACITY':
      return 'All servers are busy. Try again in a minute.';
    case 'ICE_FAILED':
      return 'Try another network, or ask its administrator to allow the addresses above.';
    case 'UNAVAILABLE':
    case 'NODE_UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return 'Check your connection, then try again.';
    default:
      return 'Try again. If the error stays, report the code below to the administrator of this server.';
  }
}
