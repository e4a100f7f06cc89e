export { answerTo, dtlsParametersOf } from './answer.ts';
export { channelFor, channelSettings } from './channels.ts';
export { LinkMeter } from './link-meter.ts';
export {
  type AdaptiveChannel,
  adaptiveRule,
  initialMode,
  type LinkMeasurement,
  type ModeState,
  nextMode,
} from './mode-controller.ts';
