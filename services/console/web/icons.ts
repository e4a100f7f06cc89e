import { html, type TemplateResult } from 'lit';

/** Line icons on a grid of 24; hidden from screen readers, for whom the control beside them has a name. */
const line = (shapes: TemplateResult): TemplateResult =>
  html`<svg
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="1.8"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
    focusable="false"
  >
    ${shapes}
  </svg>`;

// A fragment of SVG parsed by itself would be HTML, so that each icon carries its own <svg>.
import { svg } from 'lit';

export const icons = {
  microphone: line(
    html`${svg`<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3"/>`}`,
  ),
} as const;
