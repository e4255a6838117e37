import { defineConfig } from 'vite';

/** The scripts and styles come from files alone: the policy of the pages allows nothing inline. */
export default defineConfig({
  base: '/console/',
  build: {
    outDir: '../dist/console.new',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
    rolldownOptions: {
      // Packages mark what runs in browsers alone. All of this does.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
});
