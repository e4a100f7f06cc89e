export {
  ArticleEstimator,
  type ArticleParameters,
  articleParameters,
  type ArticleTriggers,
} from './article/article-estimator.ts';
export { maxPacketsPerFeedback } from './feedback.ts';
export { GccEstimator } from './gcc/gcc-estimator.ts';
export type {
  BandwidthEstimator,
  BitrateBounds,
  EstimatorOptions,
  EstimatorState,
  Feedback,
  PacketResult,
  Probe,
  ReceiverReport,
  TransportFeedback,
} from './port.ts';
