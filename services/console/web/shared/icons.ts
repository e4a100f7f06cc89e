import { html, type SVGTemplateResult, svg, type TemplateResult } from 'lit';

/** A line icon on a grid of 24 by 24, hidden from screen readers: the control that shows it has a name. */
const line = (shapes: SVGTemplateResult): TemplateResult =>
  html`<svg
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="1.75"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
    focusable="false"
  >
    ${shapes}
  </svg>`;

const microphone = svg`<rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />`;
const camera = svg`<rect x="3" y="6.5" width="12.5" height="11" rx="2.5" /><path d="M15.5 10.8l4-2.6c.7-.4 1.5 0 1.5.8v6c0 .8-.8 1.2-1.5.8l-4-2.6" />`;
const slash = svg`<path d="M4 3.5l16.5 17" />`;
const display = svg`<rect x="3" y="4.5" width="18" height="12.5" rx="2.2" /><path d="M9 20.5h6" />`;

export const icons = {
  microphone: line(microphone),
  microphoneOff: line(svg`${microphone}${slash}`),
  camera: line(camera),
  cameraOff: line(svg`${camera}${slash}`),
  screen: line(svg`${display}<path d="M12 14V8M9.3 10.5L12 7.8l2.7 2.7" />`),
  screenOff: line(svg`${display}<path d="M9.8 8.6l4.4 4.4M14.2 8.6l-4.4 4.4" />`),
  leave: line(
    svg`<path d="M2.2 15.9v-2.2c0-1.3.8-2.4 2-2.9 5-2.1 10.6-2.1 15.6 0 1.2.5 2 1.6 2 2.9v2.2c0 .9-.8 1.6-1.7 1.4l-3.5-.6c-.8-.1-1.3-.7-1.3-1.5v-2.1c-2.2-.6-4.4-.6-6.6 0v2.1c0 .8-.5 1.4-1.3 1.5l-3.5.6c-.9.2-1.7-.5-1.7-1.4z" fill="currentColor" stroke="none" />`,
  ),
  devices: line(
    svg`<path d="M4 7h9M17.5 7H20M4 17h2.5M11 17h9M4 12h2M10.5 12H20" /><circle cx="15.2" cy="7" r="2.2" /><circle cx="8.2" cy="12" r="2.2" /><circle cx="8.7" cy="17" r="2.2" />`,
  ),
  chat: line(
    svg`<path d="M5.5 4.5h13a2 2 0 0 1 2 2v8.5a2 2 0 0 1-2 2h-7.5l-4.5 3.5V17h-1a2 2 0 0 1-2-2V6.5a2 2 0 0 1 2-2z" /><path d="M8 9h8M8 12.5h5" />`,
  ),
  send: line(svg`<path d="M4.5 12L4 4.5 20.5 12 4 19.5z M4.5 12H11" />`),
  attach: line(
    svg`<path d="M19.5 11.5l-7.6 7.6a4.6 4.6 0 0 1-6.5-6.5l8-8a3.1 3.1 0 0 1 4.4 4.4l-8 8a1.5 1.5 0 0 1-2.2-2.1l7-7" />`,
  ),
  file: line(svg`<path d="M13.5 3.5H7a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V9zM13.5 3.5V9H19" />`),
  link: line(
    svg`<path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1" />`,
  ),
  people: line(
    svg`<circle cx="9" cy="8.5" r="3.2" /><path d="M3 19c.5-3.3 2.9-5 6-5s5.5 1.7 6 5M16 5.6a3.2 3.2 0 0 1 0 5.8M18 14.5c1.7.7 2.7 2.2 3 4.5" />`,
  ),
  close: line(svg`<path d="M6 6l12 12M18 6L6 18" />`),
  warning: line(svg`<path d="M12 4L2.8 19.5h18.4z M12 10v4.5M12 17v.1" />`),
  info: line(svg`<circle cx="12" cy="12" r="9" /><path d="M12 11v5.5M12 7.7v.1" />`),
  sound: line(svg`<path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />`),
  plus: line(svg`<path d="M12 5v14M5 12h14" />`),
  minus: line(svg`<path d="M5 12h14" />`),
  search: line(svg`<circle cx="10.5" cy="10.5" r="6" /><path d="M15 15l5.5 5.5" />`),
  fullscreen: line(svg`<path d="M4 9V4.5h5M15 4.5h5V9M20 15v4.5h-5M9 19.5H4V15" />`),
} as const;

/** The favicon in index.html, topology.html and operations.html is the same drawing. */
export const logo = html`<svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  <rect width="32" height="32" rx="8" fill="#4650d8" />
  <path d="M15 6v15H6.5zM18 11l7.5 10H18z" fill="#fff" />
  <path d="M5.5 23.5h21c-1 2-3 3-5 3h-11c-2 0-4-1-5-3z" fill="#c9ceff" />
</svg>`;
