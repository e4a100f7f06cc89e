import { defineConfig } from 'vite';

// One file for pages that have no bundler of their own: `import { connect } from '/sdk/flotilla-client.js'`.
export default defineConfig({
  build: {
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: 'flotilla-client' },
    outDir: 'dist/bundle',
    emptyOutDir: true,
    sourcemap: true,
    target: 'es2022',
  },
});
