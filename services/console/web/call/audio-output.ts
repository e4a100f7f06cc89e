import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { sourceObject } from './source-object.ts';
import type { Playable } from './tile-model.ts';

export const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;

/**
 * Plays the audio of the other participants.
 *
 * @fires blocked - the browser's autoplay policy refused playback; call `play` from a click or key press
 */
@customElement('flotilla-audio')
export class AudioOutput extends LitElement {
  static override styles = css`
    :host {
      display: none;
    }
  `;

  @property({ attribute: false }) sounds: readonly Playable[] = [];
  /** Device id of the speaker; undefined for the system default. */
  @property() speaker: string | undefined;

  async play(): Promise<void> {
    await Promise.all([...this.renderRoot.querySelectorAll('audio')].map((audio) => this.#play(audio)));
  }

  async #play(audio: HTMLAudioElement): Promise<void> {
    try {
      if (canChooseSpeaker && audio.sinkId !== (this.speaker ?? '')) await audio.setSinkId(this.speaker ?? '');
    } catch {
      // The chosen speaker is not plugged in: the default speaker plays.
    }
    if (!audio.paused || !audio.srcObject) return;
    try {
      await audio.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.dispatchEvent(new Event('blocked'));
    }
  }

  protected override updated(): void {
    void this.play();
  }

  protected override render(): TemplateResult {
    return html`${repeat(
      this.sounds,
      ({ key }) => key,
      ({ key, stream }) => html`<audio autoplay .srcObject=${sourceObject(stream)} data-audio=${key}></audio>`,
    )}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-audio': AudioOutput;
  }
}
