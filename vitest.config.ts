import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Packages are read as source here, so that a test never runs against an old build.
  resolve: { conditions: ['@eventsieve/source'] },
  ssr: { resolve: { conditions: ['@eventsieve/source'] } },
  test: {
    include: ['{packages,services}/*/{src,tests}/**/*.test.ts', 'embedded/src/**/*.test.ts', 'tests/**/*.test.ts'],
    globalSetup: ['tests/support/global-setup.ts'],
    // Ends what hangs, and no more: how long a test takes on a busy machine is nothing that it should fail by.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores, and each file brings processes of its own.
    maxWorkers: 2,
    reporters: ['default', ['json', { outputFile: 'node_modules/.cache/vitest.json' }]],
  },
});
