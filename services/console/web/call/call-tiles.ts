import type { Room } from '@flotilla/client';
import { html, nothing, type TemplateResult } from 'lit';
import type { DirectiveResult } from 'lit/directive.js';
import { styleMap } from 'lit/directives/style-map.js';
import type { Box } from './grid-layout.ts';
import type { PersonTile, ScreenTile } from './tile-model.ts';
import { describe } from './tile.ts';

/** The state of the room's connection and media; nothing while both are in use. */
export function connectionStatus(
  { state: connection, mediaError }: Room,
  isMediaLost: boolean,
): TemplateResult | typeof nothing {
  let text: string | undefined;
  if (connection === 'reconnecting') text = 'Reconnecting…';
  else if (mediaError) text = 'No media connection';
  else if (isMediaLost) text = 'Restoring media…';
  return text === undefined ? nothing : html`<span class="connection" data-testid="connection">${text}</span>`;
}

/** Says that the room is recorded; nothing while it is not. */
export function recordingStatus({ participants }: Room): TemplateResult | typeof nothing {
  const isRecorded = [...participants.values()].some(({ isRecording }) => isRecording);
  return isRecorded
    ? html`<span class="recording" data-testid="recording" title="Everything in this call is recorded">Recording</span>`
    : nothing;
}

/** The tile of a participant. `onFrame` is called when its first frame was presented. */
export function personTile(tile: PersonTile, box: Box | undefined, onFrame: () => void): TemplateResult {
  const { id, name, me, picture, mirrored, boxed, muted, speaking, active, reconnecting, quality, limited } = tile;
  return html`<flotilla-tile
    role="listitem"
    aria-label=${describe(tile)}
    style=${place(box)}
    data-tile=${id}
    data-name=${name}
    ?data-me=${me}
    .name=${name}
    .me=${me}
    .picture=${picture}
    .mirrored=${mirrored}
    .boxed=${boxed}
    .muted=${muted}
    .speaking=${speaking}
    .active=${active}
    .reconnecting=${reconnecting}
    .quality=${quality}
    .limited=${limited}
    @frame=${onFrame}
  ></flotilla-tile>`;
}

/** The tile of a shared screen. `onFrame` is called when its first frame was presented. */
export function screenTile(
  { id, name, me, reconnecting, picture, limited }: ScreenTile,
  box: Box | undefined,
  onFrame: () => void,
): TemplateResult {
  return html`<flotilla-tile
    role="listitem"
    aria-label=${(me ? 'Your screen' : `Screen of ${name}`) + (limited ? ', paused for bandwidth' : '')}
    style=${place(box)}
    data-screen=${id}
    screen
    .name=${name}
    .me=${me}
    .reconnecting=${reconnecting}
    .limited=${limited}
    .picture=${picture}
    @frame=${onFrame}
  ></flotilla-tile>`;
}

function place(box: Box | undefined): DirectiveResult {
  const { x, y, width, height } = box ?? { x: 0, y: 0, width: 0, height: 0 };
  return styleMap({ left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
}
