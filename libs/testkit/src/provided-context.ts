declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string;
    amqpUrl: string;
  }
}

export {};
