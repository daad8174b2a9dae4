// How the page is built: into `dist/`, which is committed and embedded by phiz-server.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  // Relative, so that a proxy may serve the page under a path.
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Licences of what is bundled, beside it.
    license: { fileName: 'licences.txt' },
  },
  // `npm run dev` beside a running `phiz serve`.
  server: { proxy: { '/v1': 'http://127.0.0.1:7449' } },
});
