export { createRing } from './memory.ts';
export { RingConsumer } from './consumer.ts';
export { RingProducer } from './producer.ts';
