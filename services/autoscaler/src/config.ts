import { brokerConfig, commonConfig } from '@flotilla/runtime';
import { z } from 'zod';

export const autoscalerConfig = z.object({ ...commonConfig.shape, ...brokerConfig.shape });
